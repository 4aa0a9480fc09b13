"""The addresses and sockets that a command listens on."""

import errno
import os
import re
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Address", "explain", "listen", "listen_tcp", "parse_address"]

_ADDRESS = re.compile(r"(?:(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]/\s]+)):)?(?P<port>\d+)")
_BACKLOG = 2048  # uvicorn's

# In the words of Django's runserver.
_SENTENCES = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


@dataclass(frozen=True)
class Address:
    """A TCP address, or the path of a Unix socket.

    Attributes:
        host: a name or number, without brackets for IPv6. Empty with ``path``.
        port: 0 for any free one.
        path: that of the Unix socket, None for TCP.
    """

    host: str
    port: int
    path: str | None = None

    def url(self, port: int, socket_path: str) -> str:
        """Return the address of the WebSocket, for people to read.

        Args:
            port: the one that was bound.
            socket_path: that of the WebSocket.
        """
        if self.path is not None:
            return f"unix:{self.path}, path {socket_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{port}{socket_path}"


def parse_address(text: str, *, default_host: str = "127.0.0.1") -> Address:
    """Read ``PORT``, ``ADDR:PORT``, ``[IPV6]:PORT`` or ``unix:/path``.

    Raises:
        ValueError: the text has another form.
    """
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            raise ValueError(
                f"{text!r}: the path of a Unix socket must be absolute, unix:/run/x.sock"
            )
        return Address("", 0, text.removeprefix("unix:"))
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{text!r} is none of PORT, ADDR:PORT, [IPV6]:PORT and unix:/path")
    return Address(match["ipv6"] or match["host"] or default_host, int(match["port"]))


def listen(address: Address) -> socket.socket:
    """Return a socket that listens at ``address``. The caller closes it.

    Raises:
        OSError: the address is in use, not ours, or not permitted. See ``explain``.
    """
    if address.path is not None:
        return _listen_unix(address.path)
    infos = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return listen_tcp(address.host, address.port, ipv6=infos[0][0] == socket.AF_INET6)


def listen_tcp(host: str, port: int, *, ipv6: bool) -> socket.socket:
    """Return a socket that listens at a TCP address.

    Raises:
        OSError: the address is in use, not ours, or not permitted.
    """
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    # asyncio turns Nagle off (TCP_NODELAY) only if the protocol is named. Otherwise the body of an
    # HTTP response would wait 40 ms, until the client has acknowledged the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def explain(error: OSError, address: Address) -> str:
    """Return the sentence for an address that cannot be listened on."""
    if address.path is not None:
        return f"{address.path}: {error.strerror or error}"
    return _SENTENCES.get(error.errno or 0) or f"{address.host}: {error.strerror or error}"


def _listen_unix(path: str) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no Unix sockets")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(path)
        # The proxy is another user. The directory's permissions decide who may reach the socket.
        os.chmod(path, 0o666)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket of a process that was killed, since bind() would fail on it."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
