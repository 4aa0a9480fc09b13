"""Serve the tests on both ports of WPT_PORTS, from one process: the tests' handlers share state."""

import os
import socket

import uvicorn


def main() -> None:
    """Listen, and serve until SIGTERM."""
    sockets = []
    for port in os.environ["WPT_PORTS"].split(","):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        sockets.append(listener)
    config = uvicorn.Config(
        "tests.browser.wpt.asgi:application",
        ws="wsrequest.server.uvicorn:WebSocketProtocol",
        http="wsrequest.server.uvicorn:HTTPProtocol",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets)


if __name__ == "__main__":
    main()
