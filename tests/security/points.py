"""The 37 points that a service over WebSockets is asked about, and how each is answered here.

1 to 28 are those of OWASP's WebSocket Security Cheat Sheet, 29 to 37 are our own. What of an
answer a program can hold is in ``defences``; what no program of ours can hold is the operator's
or the ASGI server's, and names where it is written down.
"""

from dataclasses import dataclass

__all__ = ["POINTS", "Point"]


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        number: 1 to 37.
        title: what is asked.
        answer: how it is held; Markdown, links relative to docs/.
        witnesses: tests that show it although what holds it is no code of ours.
    """

    number: int
    title: str
    answer: str
    witnesses: tuple[str, ...] = ()


_DEPLOYMENT = "[deployment](deployment.md"
_ACCEPTANCE = "tests/acceptance/"
_SECURITY = "tests/security/"

POINTS = (
    Point(
        1,
        "wss only in production",
        "Where `SECURE_SSL_REDIRECT` is on, a handshake without TLS is refused. Operator: TLS at "
        f"the proxy ({_DEPLOYMENT}#behind-a-proxy)), checks W022 and W024, Django's W008 and W012.",
    ),
    Point(
        2,
        "RFC 6455 only",
        "The ASGI server speaks it; the drafts that some still take are refused.",
        (f"{_SECURITY}test_servers.py::test_handshake_of_another_protocol_is_refused",),
    ),
    Point(
        3,
        "no permessage-deflate",
        "`runwebsockets` and `runserver` switch it off. No application can where another server "
        f"serves: operator ({_DEPLOYMENT}#one-process)).",
    ),
    Point(
        4,
        "proxy: Upgrade, timeouts",
        f"Operator ({_DEPLOYMENT}#behind-a-proxy)); check W006 when pings are rarer than a proxy's "
        "patience.",
    ),
    Point(
        5,
        "messages are seen by a firewall, or validated",
        "A firewall sees none of them, so every message passes the project's own MIDDLEWARE, "
        "forms and serializers, behind the checks of the protocol (14).",
    ),
    Point(
        6,
        "explicit Origin allow-list at every handshake",
        "The server's own origin, and those of `WSREQUEST_ALLOWED_ORIGINS`, each compared as a "
        "whole; wildcards and `null` are errors of configuration.",
    ),
    Point(
        7,
        "CSRF token at the handshake",
        "The checked Origin stands for the token. Where there was no Origin, Django asks each "
        "unsafe message for its token, as over HTTP.",
    ),
    Point(
        8,
        "SameSite cookies",
        "Check W021. Cookies set over the socket become the browser's with every attribute that "
        "the project gave them.",
    ),
    Point(
        9,
        "close when the session ends, look again every 30 min",
        "A message of an ended session is nobody's, since each runs the stack. An idle socket, or "
        "one that only streams, is looked at every `WSREQUEST_SESSION_CHECK_SECONDS` (30 min) and "
        "closed with 4003 when its session has ended, its user is inactive or gone, or the "
        "password was changed.",
    ),
    Point(
        10,
        "a logout closes the session's sockets",
        "At once in the process where it happens, by HTTP or by socket, unless "
        "`WSREQUEST_CLOSE_ON_LOGOUT` is off. What is live for the user ends with it. Sockets in "
        "other processes are logged out with the next message all the same, and closed by 9.",
    ),
    Point(
        11,
        "tokens in messages, never in URLs or logs",
        "`token` is a member of the message, a ticket is a header; neither is taken from a query. "
        "Log lines have paths without queries.",
    ),
    Point(
        12,
        "tokens can be rotated on a long connection",
        "A token is of its message only.",
    ),
    Point(
        13,
        "authorise each message",
        "Each message runs the whole stack anew: session, user, permissions, throttles.",
    ),
    Point(
        14,
        "messages are untrusted: schema and allow-list",
        "One typed decoder, seven methods, the header rules of PROTOCOL.md 4.6; whatever else is "
        "refused by name.",
    ),
    Point(
        15,
        "size limit",
        "`WSREQUEST_MAX_MESSAGE_BYTES` (1 MiB, checked before the frame is read) and "
        "`WSREQUEST_MAX_BODY_BYTES`; 64 KiB would not carry a whole API. Up to where the server "
        "cuts by itself is in the table of servers.",
    ),
    Point(
        16,
        "binary data: no unsafe deserialiser",
        "A binary frame is a JSON head and bytes for the view; nothing is unpickled.",
    ),
    Point(
        17,
        "replay",
        "TLS keeps others from repeating frames. What can be carried elsewhere, a ticket, works "
        "once, for a minute, for its origin, and only together with an HttpOnly cookie of its "
        "browser.",
    ),
    Point(18, "parse JSON, never evaluate", "msgspec reads it. No source has `eval` or `exec`."),
    Point(
        19,
        "no tunnel to other services",
        "A message names a path of this project; whole URLs are refused, and serving opens no "
        "connection to anywhere.",
    ),
    Point(
        20,
        "limits of connections: total, per address, per user",
        "`WSREQUEST_MAX_CONNECTIONS`, `WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS` (an IPv6 client's "
        "/64 is one address). How many are opened in a second: "
        "`WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS` first, then "
        "`WSREQUEST_MAX_HANDSHAKES_PER_SECOND`, at which addresses take turns. None per user: a "
        "connection has none, its messages may be of several or of nobody; what a user may do is "
        "limited by the project's throttles.",
    ),
    Point(
        21,
        "rate limit",
        "The project's throttles come first, for they know users and views. Below them no "
        "connection is read faster than `WSREQUEST_MAX_MESSAGES_PER_SECOND`, or without letting "
        "others in; more in flight than the limits is refused.",
    ),
    Point(
        22,
        "idle timeouts",
        "A client that is not pinged must ask within `WSREQUEST_FIRST_REQUEST_SECONDS` and is "
        "closed after `WSREQUEST_IDLE_SECONDS` of silence with nothing to wait for; one that is "
        "pinged, see 23.",
    ),
    Point(
        23,
        "heartbeats",
        "A greeted client that is silent is pinged after `WSREQUEST_PING_SECONDS` and cut after "
        "`WSREQUEST_PONG_SECONDS` more.",
    ),
    Point(
        24,
        "back-pressure",
        "Credit for each answer, `WSREQUEST_MAX_OUTBOUND_BYTES` for each connection, and a client "
        "that reads nothing for `WSREQUEST_SLOW_READER_SECONDS` is cut.",
    ),
    Point(
        25,
        "log connect, close, auth events, violations",
        "Logger `wsrequest.connection`: opened (address, origin), whose requests it carries, what "
        "was refused, closed (code, reason, seconds, user, refusals); the first refused handshake "
        "of an address, and a minute later how many more. No text of a client can begin a line. "
        "Logins are Django's signals.",
    ),
    Point(
        26,
        "never log bodies, tokens, session ids",
        "At every level: no body, header value, cookie, ticket, token, session, nor a query.",
    ),
    Point(
        27,
        "tests: foreign origin, no credentials, injection, flood, expiry, logout",
        "This table; `scripts/defences` shows that each test means something, and a test keeps "
        "page, table and suite in step.",
        (f"{_SECURITY}test_table.py::test_every_point_is_answered",),
    ),
    Point(
        28,
        "libraries up to date, failures stay single",
        "Lowest versions in pyproject.toml, check W025; Operator: `pip-audit` in the project's CI "
        f"({_DEPLOYMENT}#security)). A view that raises is an answer.",
    ),
    Point(
        29,
        "the Origin check does not lean on CSRF",
        "It is made at the handshake, before anything of the project runs, for every method, and "
        "knows nothing of `CSRF_TRUSTED_ORIGINS`.",
    ),
    Point(
        30,
        "headers of a message cannot pass for the proxy's",
        "PROTOCOL.md 4.6; check E007 for a `RemoteUserMiddleware` whose header is not forbidden.",
    ),
    Point(
        31,
        "url: a path of this origin",
        "No scheme, host, `//`, backslash, fragment or control character; decoded as over HTTP. "
        "The path of the socket itself is no URL of the project. What a proxy guards by path is "
        "out of reach (`WSREQUEST_EXCLUDED_PATHS`), and so is what it is told to send instead of "
        "an answer.",
        (f"{_SECURITY}test_doors.py::test_socket_is_no_url_of_the_project",),
    ),
    Point(
        32,
        "HttpOnly cookies and session rotation",
        "Cookies stay with the connection, and reach the browser by a ticket that is spent by "
        "HTTP, by that browser alone; scripts are never shown Set-Cookie. A login over the socket "
        "moves the connection to the new session.",
    ),
    Point(
        33,
        "caps per connection, a time for each request",
        "In flight, waiting, threads, body bytes, queued bytes, headers, nesting; "
        "`WSREQUEST_REQUEST_SECONDS`. Of live requests: how many, what their answers hold "
        "together, and how many views run again at a time (`WSREQUEST_MAX_SUBSCRIPTIONS`, "
        "`WSREQUEST_MAX_ANSWER_BYTES`, `WSREQUEST_LIVE_RUNS`).",
    ),
    Point(
        34,
        "budget before authentication",
        "A connection is never authenticated, its messages are; so the budget holds for all: the "
        "time for the first request, the size of a message, sockets of an address, and "
        "`WSREQUEST_MAX_UNFINISHED_BYTES` for what all connections of a process make it hold, a "
        "quarter of it for the unfinished requests of one address.",
    ),
    Point(
        35,
        "middleware that trusts the address sees the same",
        "META is made of the handshake as a server makes it of a request.",
    ),
    Point(
        36,
        "response splitting",
        "Headers go out as JSON strings. Where cookies become headers again, at the ticket, one "
        "that could split the response is left out.",
    ),
    Point(
        37,
        "cache: nothing shared across identities",
        "A thread keeps nothing of a request. A live request runs again as whoever asked; it "
        "shares a run with those who are the same in handshake, cookies, token and headers, and "
        "with others only where the response says that everybody may see it. The run for those is "
        "made as nobody: it bears the URL, host and scheme as Django sees them, what Vary names, "
        "and is told apart by `WSREQUEST_LIVE_SHARE_KEY`.",
    ),
)
