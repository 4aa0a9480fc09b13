"""Our HTTP protocol class for uvicorn, where httptools is not installed."""

import sys

sys.modules["httptools"] = None  # type: ignore[assignment]  # cannot be imported from now on

from wsrequest.server.uvicorn import HTTPProtocol  # noqa: E402

__all__ = ["HTTPProtocol"]
