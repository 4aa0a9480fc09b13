"""The 37 points that a service over WebSockets is asked about, and how each is answered here.

1 to 28 are those of OWASP's WebSocket Security Cheat Sheet, 29 to 37 are our own. ``defences`` has
what a program can check. The rest is up to the operator or the ASGI server, and the answer says
where it is written down.
"""

from dataclasses import dataclass

__all__ = ["POINTS", "Point"]


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        number: 1 to 37.
        title: what the point demands.
        answer: how wsrequest meets it. Markdown, with links relative to docs/.
        witnesses: tests that show it even though no code of ours does it.
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
        "With `SECURE_SSL_REDIRECT`, a handshake without TLS is refused. Operator: TLS at the "
        f"proxy ({_DEPLOYMENT}#behind-a-proxy)), checks W022 and W024, Django's W008 and W012.",
    ),
    Point(
        2,
        "RFC 6455 only",
        "The ASGI server implements it. Handshakes of the drafts that some clients still use "
        "are refused.",
        (f"{_SECURITY}test_servers.py::test_handshake_of_another_protocol_is_refused",),
    ),
    Point(
        3,
        "no permessage-deflate",
        "`runwebsockets` and `runserver` turn it off. On other servers no application can do "
        f"that. Operator: {_DEPLOYMENT}#one-process).",
    ),
    Point(
        4,
        "proxy: Upgrade, timeouts",
        f"Operator: {_DEPLOYMENT}#behind-a-proxy). Check W006 warns if pings are rarer than a "
        "proxy's timeout.",
    ),
    Point(
        5,
        "messages are seen by a firewall, or validated",
        "A firewall sees none of them. So every message passes the checks of the protocol "
        "(14), and then the project's own MIDDLEWARE, forms and serializers.",
    ),
    Point(
        6,
        "explicit Origin allow-list at every handshake",
        "The server's own origin and those of `WSREQUEST_ALLOWED_ORIGINS` are allowed, each "
        "compared in full. Wildcards and `null` are configuration errors.",
    ),
    Point(
        7,
        "CSRF token at the handshake",
        "The checked Origin replaces the token. Without an Origin, Django requires a token "
        "with each unsafe message, as over HTTP.",
    ),
    Point(
        8,
        "SameSite cookies",
        "Check W021. Cookies that are set over the socket reach the browser with every "
        "attribute that the project gave them.",
    ),
    Point(
        9,
        "close when the session ends, check again every 30 min",
        "Each message runs the stack, so a message of an ended session is anonymous. Every "
        "`WSREQUEST_SESSION_CHECK_SECONDS` (30 min), wsrequest checks sockets that are idle "
        "or only stream. It closes one with 4003 if its session has ended, its user is "
        "inactive or gone, or the password has changed.",
    ),
    Point(
        10,
        "a logout closes the session's sockets",
        "At once in the process where it happens, over HTTP or a socket, unless "
        "`WSREQUEST_CLOSE_ON_LOGOUT` is off. The user's live requests end with it. Sockets in "
        "other processes are logged out with their next message, and 9 closes them.",
    ),
    Point(
        11,
        "tokens in messages, never in URLs or logs",
        "`token` is a member of the message, and a ticket is a header. Neither is read from a "
        "query. Log lines have paths without queries.",
    ),
    Point(
        12,
        "tokens can be rotated on a long connection",
        "A token applies only to its message.",
    ),
    Point(
        13,
        "authorize each message",
        "Each message runs the whole stack: session, user, permissions, throttles.",
    ),
    Point(
        14,
        "messages are untrusted: schema and allow-list",
        "There is one typed decoder, with seven methods and the header rules of PROTOCOL.md "
        "4.6. Anything else is refused by name.",
    ),
    Point(
        15,
        "size limit",
        "`WSREQUEST_MAX_MESSAGE_BYTES` (1 MiB, checked before the frame is decoded) and "
        "`WSREQUEST_MAX_BODY_BYTES`. 64 KiB would not be enough for a whole API. For the "
        "limits of the servers themselves, see the table of servers.",
    ),
    Point(
        16,
        "binary data: no unsafe deserializer",
        "A binary frame is a JSON head, and bytes for the view. Nothing is unpickled.",
    ),
    Point(
        17,
        "replay",
        "TLS keeps others from repeating frames. Only a ticket can be used elsewhere. It "
        "works once, for a minute, for its origin, and only together with an HttpOnly cookie "
        "of its browser.",
    ),
    Point(
        18,
        "parse JSON, never evaluate",
        "msgspec parses it. No source has `eval` or `exec`.",
    ),
    Point(
        19,
        "no tunnel to other services",
        "A message names a path of this project. Whole URLs are refused, and serving opens no "
        "outgoing connection.",
    ),
    Point(
        20,
        "limits of connections: total, per address, per user",
        "`WSREQUEST_MAX_CONNECTIONS`, `WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS` (an IPv6 /64 is "
        "one address). Per second: first `WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS`, "
        "then `WSREQUEST_MAX_HANDSHAKES_PER_SECOND`, where addresses take turns. There is no "
        "limit per user, because a connection has no user: its messages may be from several "
        "users or anonymous. Limit users with the project's throttles.",
    ),
    Point(
        21,
        "rate limit",
        "The project's throttles come first, because they know users and views. Below them, "
        "no connection is read faster than `WSREQUEST_MAX_MESSAGES_PER_SECOND`, or without a "
        "turn for others. Requests above the limits for those in flight are refused.",
    ),
    Point(
        22,
        "idle timeouts",
        "A client that is not pinged must send a request within "
        "`WSREQUEST_FIRST_REQUEST_SECONDS`. It is closed after `WSREQUEST_IDLE_SECONDS` of "
        "silence, unless a response is due. For clients that are pinged, see 23.",
    ),
    Point(
        23,
        "heartbeats",
        "A client that negotiated `wsrequest.v1` is pinged after `WSREQUEST_PING_SECONDS` of "
        "silence, and closed after `WSREQUEST_PONG_SECONDS` more.",
    ),
    Point(
        24,
        "back-pressure",
        "Credit for each response, and `WSREQUEST_MAX_OUTBOUND_BYTES` for each connection. A "
        "client that reads nothing for `WSREQUEST_SLOW_READER_SECONDS` is closed.",
    ),
    Point(
        25,
        "log connect, close, auth events, violations",
        "The logger `wsrequest.connection` logs who opened (address, origin), whose requests "
        "it carries, what was refused, and how it closed (code, reason, seconds, user, "
        "refusals). It logs the first refused handshake of an address, and a minute later how "
        "many more came. No text of a client can start a line. For logins, use Django's "
        "signals.",
    ),
    Point(
        26,
        "never log bodies, tokens, session ids",
        "At no level does a log line have a body, header value, cookie, ticket, token, "
        "session or query.",
    ),
    Point(
        27,
        "tests: foreign origin, no credentials, injection, flood, expiry, logout",
        "This table has them. `scripts/defences` shows that each test can fail, and a test "
        "compares the page, the table and the suite.",
        (f"{_SECURITY}test_table.py::test_every_point_is_answered",),
    ),
    Point(
        28,
        "libraries up to date, failures stay single",
        "Minimum versions in pyproject.toml, and check W025. Operator: `pip-audit` in the "
        f"project's CI ({_DEPLOYMENT}#security)). A view that raises only affects its own "
        "response.",
    ),
    Point(
        29,
        "the Origin check does not depend on CSRF",
        "It happens at the handshake, before any code of the project runs, for every method. "
        "It does not use `CSRF_TRUSTED_ORIGINS`.",
    ),
    Point(
        30,
        "headers of a message cannot pass for the proxy's",
        "PROTOCOL.md 4.6. Check E007 reports a `RemoteUserMiddleware` whose header is not "
        "forbidden.",
    ),
    Point(
        31,
        "url: a path of this origin",
        "No scheme, host, `//`, backslash, fragment or control character. It is decoded as "
        "over HTTP. The path of the socket itself is not a URL of the project. Messages "
        "cannot reach what a proxy guards by path (`WSREQUEST_EXCLUDED_PATHS`), nor what a "
        "response makes the proxy send instead.",
        (f"{_SECURITY}test_doors.py::test_socket_is_no_url_of_the_project",),
    ),
    Point(
        32,
        "HttpOnly cookies and session rotation",
        "Cookies stay with the connection. They reach the browser by a ticket that only this "
        "browser can use, over HTTP. Scripts never see Set-Cookie. A login over the socket "
        "moves the connection to the new session.",
    ),
    Point(
        33,
        "limits per connection, a deadline for each request",
        "Requests in flight and waiting, threads, body bytes, queued bytes, headers, nesting, "
        "and `WSREQUEST_REQUEST_SECONDS`. For live requests: their number, what their "
        "responses hold together, and how many reruns are under way "
        "(`WSREQUEST_MAX_SUBSCRIPTIONS`, `WSREQUEST_MAX_ANSWER_BYTES`, "
        "`WSREQUEST_LIVE_RUNS`).",
    ),
    Point(
        34,
        "budget before authentication",
        "Messages are authenticated, but never the connection. So the budget applies to all "
        "clients: the time for the first request, the size of a message, and the sockets of "
        "an address. `WSREQUEST_MAX_PENDING_REQUEST_BYTES` limits what all connections make a "
        "process hold. The unfinished requests of one address may take a quarter of it.",
    ),
    Point(
        35,
        "middleware that trusts the address sees the same",
        "META comes from the handshake, as a server would fill it from a request.",
    ),
    Point(
        36,
        "response splitting",
        "Headers are sent as JSON strings. Only a ticket turns cookies into headers again. "
        "There, a cookie that could split the response is left out.",
    ),
    Point(
        37,
        "cache: nothing shared across identities",
        "A thread keeps nothing of a request. A rerun has the identity of its subscriber. "
        "Subscribers share it if their handshake, cookies, token and headers are the same. "
        "Others share it only if the response says that everybody may see it. Such a shared "
        "run is anonymous. It has the URL, host and scheme as Django sees them, and what Vary "
        "names, and `WSREQUEST_LIVE_SHARE_KEY` separates the rest.",
    ),
)
