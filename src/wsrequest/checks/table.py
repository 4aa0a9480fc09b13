"""The table of checks: id, what is wrong, and the remedy.

Owns the words, which docs/checks.md explains. An id is never used again for something else.
"""

from dataclasses import dataclass

from django.core import checks
from django.core.checks import CheckMessage

__all__ = ["CHECKS", "TAG", "message"]

TAG = "wsrequest"

_LEVELS = {"E": checks.ERROR, "W": checks.WARNING, "I": checks.INFO}


@dataclass(frozen=True)
class _Check:
    """Both sentences are filled in with the facts of a finding, by ``str.format``."""

    sentence: str
    remedy: str


_TABLE = {
    # Settings of wsrequest, one by one.
    "wsrequest.E001": _Check(
        "{name} is {value}, but must be {kind}.",
        "Correct it, or leave it out: its default is {default}.",
    ),
    "wsrequest.E002": _Check(
        "{name} is {value}, but must be at least {minimum}.",
        "Raise it, or leave it out: its default is {default}.",
    ),
    "wsrequest.E003": _Check(
        "WSREQUEST_PATH is {value}, which {fault}.",
        'Give the path as a browser shows it, from its first slash to its last, as in "/ws/".',
    ),
    "wsrequest.E004": _Check(
        "{value} in WSREQUEST_ALLOWED_ORIGINS {fault}.",
        "Name each origin whole and as browsers send it: scheme, host and, unless it is the "
        'scheme\'s own, port; as in "https://app.example.com".',
    ),
    "wsrequest.E005": _Check(
        "{value} in WSREQUEST_FORBIDDEN_HEADERS {fault}.",
        'Give the name as it stands in a request, as in "X-Client-Certificate".',
    ),
    "wsrequest.E006": _Check(
        "WSREQUEST_TOKEN_SCHEME is {value}, which is not one word.",
        'Give the word that stands before the token in Authorization, as in "Bearer".',
    ),
    "wsrequest.W001": _Check(
        "{name} is no setting of wsrequest.",
        "{suggestion}",
    ),
    # Settings of wsrequest that contradict each other, or what surrounds them.
    "wsrequest.W002": _Check(
        "WSREQUEST_PATH is {value}, without the slash at its end that APPEND_SLASH gives every "
        "other URL.",
        "End it with a slash. A client that connects with the slash is refused, not redirected.",
    ),
    "wsrequest.W003": _Check(
        "WSREQUEST_PATH is {value}, which is also {other}. The socket hides it.",
        "Choose a path that the project does not use.",
    ),
    "wsrequest.W004": _Check(
        "{larger} ({larger_value}) is less than {smaller} ({smaller_value}): {consequence}.",
        "Raise {larger} or lower {smaller}.",
    ),
    "wsrequest.W005": _Check(
        "WSREQUEST_MAX_MESSAGE_BYTES is {value}, but {server} closes a connection for a frame of "
        "more than {limit}.",
        "Lower it, and let clients send large bodies in parts, which need no large frames; or "
        "raise the limit of the server (docs/deployment.md) and silence this check.",
    ),
    "wsrequest.W006": _Check(
        "WSREQUEST_PING_SECONDS is {value}, but proxies cut a connection that is silent for 60 "
        "seconds.",
        "Lower it below 60, or raise the proxy's time and silence this check.",
    ),
    # The project.
    "wsrequest.E007": _Check(
        "{middleware} logs in whoever the header {header} names, and a message may set that "
        "header.",
        'Add "{header}" to WSREQUEST_FORBIDDEN_HEADERS: messages do not pass the proxy that '
        "takes it out of plain requests.",
    ),
    "wsrequest.W007": _Check(
        '"wsrequest" stands below "{other}" in INSTALLED_APPS, whose runserver is used instead '
        "of the one that serves the socket.",
        'Put "wsrequest" above it.',
    ),
    "wsrequest.W008": _Check(
        "ASGI_APPLICATION ({path}) cannot be imported: {error}.",
        "Correct it. Until then runserver serves an application of its own making.",
    ),
    "wsrequest.W009": _Check(
        "ASGI_APPLICATION ({path}) serves no socket of wsrequest.",
        "In its module, import get_asgi_application from wsrequest.asgi instead of "
        "django.core.asgi. If runwebsockets serves this project's sockets, take ASGI_APPLICATION "
        "out or silence this check.",
    ),
    "wsrequest.W010": _Check(
        "The database {alias} is SQLite in memory, of which each thread has one of its own.",
        "Use a file. Requests run on several threads and would see different data.",
    ),
    "wsrequest.W011": _Check(
        "The database {alias} has a pool of {size} connections for {threads} threads.",
        "Raise max_size in the pool's options to WSREQUEST_THREADS at least, or lower that.",
    ),
    # Its deployment.
    "wsrequest.W020": _Check(
        'ALLOWED_HOSTS has "*", so the Origin of a WebSocket is compared with a Host that an '
        "attacker can choose.",
        "Name the hosts. With DNS rebinding a foreign page passes for the server's own.",
    ),
    "wsrequest.W021": _Check(
        "SESSION_COOKIE_SAMESITE is {value}, so the visitor's session goes with the WebSockets "
        "that foreign pages open.",
        'Set it to "Lax" or "Strict". Until then the Origin check is all that stands between.',
    ),
    "wsrequest.W022": _Check(
        "SECURE_SSL_REDIRECT is on without SECURE_PROXY_SSL_HEADER: behind a proxy that ends TLS "
        "every WebSocket is taken for one without TLS, and refused.",
        "Set SECURE_PROXY_SSL_HEADER to what the proxy sends. If the server ends TLS itself, or "
        "takes the scheme from X-Forwarded-Proto, silence this check.",
    ),
    "wsrequest.W023": _Check(
        "Cookies set over a socket wait in {place} to be made the browser's, where {fault}.",
        "Install django.contrib.sessions with a store in the database, or give the processes a "
        "cache in common.",
    ),
    "wsrequest.W024": _Check(
        "WSREQUEST_ALLOWED_ORIGINS has {value}, whose pages anybody on their way can change.",
        "Serve it by https, and allow that.",
    ),
    "wsrequest.W025": _Check(
        "{package} {version} is installed, which has known holes ({advisories}).",
        "Upgrade it to {fixed} or later, or remove it if another server serves the project.",
    ),
    "wsrequest.I001": _Check(
        "No ASGI application of this project is known to serve the socket.",
        "If an ASGI server runs the project, import get_asgi_application from wsrequest.asgi in "
        "its asgi.py, and name that in ASGI_APPLICATION. If a WSGI server does, let a process of "
        "its own serve the sockets: manage.py runwebsockets.",
    ),
}

CHECKS: dict[str, str] = {id: check.sentence for id, check in _TABLE.items()}
"""The id of each check, with the sentence that it reports; ``{names}`` are filled in."""


def message(id: str, /, **facts: object) -> CheckMessage:
    """The message of one finding.

    Args:
        id: a key of ``CHECKS``.
        facts: what the sentences' names stand for.
    """
    check = _TABLE[id]
    level = _LEVELS[id.partition(".")[2][0]]
    return CheckMessage(level, check.sentence.format(**facts), check.remedy.format(**facts), id=id)
