"""A stand-in for a pooler in transaction mode, as far as a listener can tell.

It passes everything on, but makes up the pid of the session, and drops notifications.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def running_pooler(port: int) -> Iterator[int]:
    """The port of a pooler before a server without TLS, for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        opened: list[socket.socket] = []
        threading.Thread(target=_accept, args=(listening, port, opened), daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for one in opened:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


def _accept(listening: socket.socket, port: int, opened: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.create_connection(("127.0.0.1", port))
            opened += [client, server]
            for work, pair in ((_upwards, (client, server)), (_downwards, (server, client))):
                threading.Thread(target=work, args=pair, daemon=True).start()


def _upwards(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while data := client.recv(2**16):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _downwards(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError), server.makefile("rb") as stream:
        while head := stream.read(5):
            body = stream.read(int.from_bytes(head[1:], "big") - 4)
            if head[:1] == b"K":
                body = bytes(4) + body[4:]
            if head[:1] != b"A":
                client.sendall(head + body)
        client.shutdown(socket.SHUT_WR)
