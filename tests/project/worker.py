"""gunicorn's worker for uvicorn, with the protocol classes of the package (docs/deployment.md)."""

from uvicorn_worker import UvicornWorker

__all__ = ["Worker"]


class Worker(UvicornWorker):
    """Ends after ``--max-requests`` requests, and gunicorn starts another."""

    CONFIG_KWARGS = {
        **UvicornWorker.CONFIG_KWARGS,
        "ws": "wsrequest.server.uvicorn:WebSocketProtocol",
        "http": "wsrequest.server.uvicorn:HTTPProtocol",
    }
