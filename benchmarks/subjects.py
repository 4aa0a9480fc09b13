"""What is measured, in which views and shapes: the subjects and the command that serves each."""

from dataclasses import dataclass

_UVICORN_OPTIONS = (
    "-m", "uvicorn", "--port", "{port}", "--loop", "uvloop", "--ws-per-message-deflate", "false",
    "--ws-ping-interval", "3600",  # no frames but those that are measured
    "--log-level", "warning", "--no-access-log", "--backlog", "8192",
)  # fmt: skip
_UVICORN = (*_UVICORN_OPTIONS, "--http", "httptools", "--ws", "websockets-sansio")
_OURS = (
    *_UVICORN_OPTIONS,
    "--http", "wsrequest.server.uvicorn:HTTPProtocol",
    "--ws", "wsrequest.server.uvicorn:WebSocketProtocol",
)  # fmt: skip
_GRANIAN = (
    "-m", "granian", "--port", "{port}", "--interface", "wsgi", "--workers", "1", "--http", "1",
    "--no-ws", "--log-level", "warning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """Connections, and requests in flight on each."""

    connections: int
    in_flight: int

    def __str__(self) -> str:
        return f"{self.connections}x{self.in_flight}"


ONE, MANY_CONNECTIONS, ONE_CONNECTION = Shape(1, 1), Shape(32, 1), Shape(1, 32)

VIEWS = {"trivial": "/trivial/", "drf": "/drf/1/", "async": "/async/"}


@dataclass(frozen=True, slots=True)
class Subject:
    """One way of serving the project.

    Attributes:
        name: its name in figures and on the command line.
        title: its name for readers.
        kind: how it is asked: "ws", "http", "echo", or through a pipe, "ceiling" and "process".
        argv: arguments of the interpreter; ``{port}`` is filled in.
    """

    name: str
    title: str
    kind: str
    argv: tuple[str, ...]


def _granian(threads: int) -> Subject:
    return Subject(
        f"granian-{threads}",
        f"Django WSGI on granian, HTTP, {threads} blocking thread{'s' * (threads > 1)}",
        "http",
        (*_GRANIAN, "--blocking-threads", str(threads), "benchmarks.apps.django_wsgi:application"),
    )


OURS = Subject(
    "ours", "wsrequest on uvicorn, WebSocket", "ws", (*_OURS, "benchmarks.apps.ours:application")
)
EARLIER_ARGV = (*_UVICORN, "benchmarks.apps.ours:application")
"""Of a tree that has no protocol classes of its own."""
SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject(
            "ceiling", "in-process ceiling, get_response", "ceiling",
            ("-m", "benchmarks.apps.ceiling"),
        ),
        OURS,
        Subject("ours-http", "wsrequest on uvicorn, HTTP", "http", OURS.argv),
        Subject("before", "wsrequest of another tree", "ws", OURS.argv),
        Subject(
            "django", "Django ASGI on uvicorn, HTTP", "http",
            (*_UVICORN, "benchmarks.apps.django_asgi:application"),
        ),
        Subject(
            "gunicorn", "Django WSGI on gunicorn gthread, HTTP, 4 threads", "http",
            (
                "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--threads", "4",
                "--worker-class", "gthread", "--keep-alive", "60", "--log-level", "warning",
                "--no-control-socket", "benchmarks.apps.django_wsgi:application",
            ),
        ),
        _granian(1),
        _granian(4),
        Subject(
            "channels", "Channels consumer by hand on uvicorn, WebSocket", "ws",
            (*_UVICORN, "benchmarks.apps.channels_asgi:application"),
        ),
        Subject(
            "echo", "bare ASGI echo on uvicorn, WebSocket", "echo",
            (*_UVICORN, "benchmarks.apps.echo:application"),
        ),
        Subject(
            "bare", "bare ASGI that commits and sends to each, on uvicorn", "ws",
            (*_UVICORN, "benchmarks.apps.bare:application"),
        ),
        Subject(
            "bare-room", "bare ASGI that sends to each, on uvicorn", "ws",
            (*_UVICORN, "benchmarks.apps.bare_room:application"),
        ),
        Subject("tracking", "in-process", "process", ("-m", "benchmarks.apps.tracking")),
        Subject("parts", "in-process", "process", ("-m", "benchmarks.apps.parts")),
        Subject(
            "matching", "live.matching in-process", "process", ("-m", "benchmarks.apps.matching")
        ),
        Subject(
            "patching", "live.text_diff in-process", "process", ("-m", "benchmarks.apps.patching")
        ),
    )
}  # fmt: skip
