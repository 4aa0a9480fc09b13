"""The table of checks: id, what is wrong, and the remedy.

docs/checks.md explains each. Those of single settings are in ``faults``. An id is never used again
for something else.
"""

from django.core import checks
from django.core.checks import CheckMessage

from wsrequest.faults import WORDS, Words

__all__ = ["CHECKS", "TAG", "message"]

TAG = "wsrequest"

_LEVELS = {"E": checks.ERROR, "W": checks.WARNING, "I": checks.INFO}


_TABLE = {
    # Settings of wsrequest, one by one.
    **WORDS,
    "wsrequest.W001": Words(
        "{name} is not a setting of wsrequest.",
        "{suggestion}",
    ),
    # Settings of wsrequest that contradict each other, or what surrounds them.
    "wsrequest.W002": Words(
        "WSREQUEST_PATH is {value}, without the slash at its end that APPEND_SLASH gives every "
        "other URL.",
        "End it with a slash. A client that connects with the slash is refused, not redirected.",
    ),
    "wsrequest.W003": Words(
        "WSREQUEST_PATH is {value}, which is also {other}. The socket hides it.",
        "Choose a path that the project does not use.",
    ),
    "wsrequest.W004": Words(
        "{larger} ({larger_value}) is less than {smaller} ({smaller_value}): {consequence}.",
        "Raise {larger} or lower {smaller}.",
    ),
    "wsrequest.W005": Words(
        "WSREQUEST_MAX_MESSAGE_BYTES is {value}, but {server} closes a connection for a frame of "
        "more than {limit}.",
        "Lower it, and let clients send large bodies in parts, which need no large frames; or "
        "raise the limit of the server (docs/deployment.md) and silence this check.",
    ),
    "wsrequest.W006": Words(
        "WSREQUEST_PING_SECONDS is {value}, but proxies cut a connection that is silent for 60 "
        "seconds.",
        "Lower it below 60, or raise the proxy's time and silence this check.",
    ),
    "wsrequest.W019": Words(
        "WSREQUEST_LIVE_IGNORED_CACHE_KEYS has {value}, which matches every key, so what views "
        "read from a cache never triggers a rerun.",
        'Give patterns of the keys that are counters only, as in "hits:*".',
    ),
    "wsrequest.W038": Words(
        "{value} in WSREQUEST_LIVE_IGNORED_CONTENT {fault}. It is not used.",
        "Correct the expression. It is matched against the bytes of a body, by re.sub.",
    ),
    "wsrequest.W039": Words(
        "WSREQUEST_LIVE_REWRITER is {value}, which {fault}. It is not used.",
        'Give the dotted path of a function of a request and a body, as in "project.live.rewrite".',
    ),
    # The project.
    "wsrequest.E007": Words(
        "{reader} logs in whoever the header {header} names, and a message may set that header.",
        'Add "{header}" to WSREQUEST_FORBIDDEN_HEADERS: messages do not pass the proxy that '
        "takes it out of plain requests.",
    ),
    "wsrequest.W007": Words(
        '"wsrequest" stands below "{other}" in INSTALLED_APPS, whose runserver is used instead '
        "of the one that serves the socket.",
        'Put "wsrequest" above it.',
    ),
    "wsrequest.W008": Words(
        "ASGI_APPLICATION ({path}) cannot be imported: {error}.",
        "Correct it. Until then runserver serves an application of its own making.",
    ),
    "wsrequest.W009": Words(
        "ASGI_APPLICATION ({path}) serves no socket of wsrequest.",
        "In its module, import get_asgi_application from wsrequest.asgi instead of "
        "django.core.asgi. If runwebsockets serves this project's sockets, take ASGI_APPLICATION "
        "out or silence this check.",
    ),
    "wsrequest.W041": Words(
        "uvicorn takes ASGI_APPLICATION ({path}) for an application of ASGI 2, and fails at each "
        "request.",
        "Make it an async function, or an object whose class has an async __call__. Or start "
        "uvicorn with --interface asgi3.",
    ),
    "wsrequest.W010": Words(
        "The database {alias} is SQLite in memory, of which each thread has one of its own.",
        "Use a file. Requests run on several threads and would see different data.",
    ),
    "wsrequest.W011": Words(
        "The database {alias} has a pool of {size} connections for {threads} threads.",
        "Raise max_size in the pool's options to WSREQUEST_THREADS at least, or lower that.",
    ),
    "wsrequest.W012": Words(
        'A message\'s token becomes "Authorization: {scheme} …", but {authentication} reads '
        '"{word} …": a request with a token is nobody\'s.',
        'Set WSREQUEST_TOKEN_SCHEME = "{word}".',
    ),
    "wsrequest.W040": Words(
        "{first} stands first in DEFAULT_AUTHENTICATION_CLASSES and asks for no header, so REST "
        "framework answers an expired token of {token} with 403 instead of 401.",
        "Put the class that reads the token first: [{order}].",
    ),
    "wsrequest.W013": Words(
        "WSREQUEST_LIVE_REPLICAS names {alias}, which is not in DATABASES. So writes to a primary "
        "trigger no rerun of what views read from its replica.",
        "Name it as DATABASES does ({known}), or take it out.",
    ),
    "wsrequest.W014": Words(
        "WHITENOISE_KEEP_ONLY_HASHED_FILES has {storage} delete live.js, room.js and upload.js, "
        "which the browser client loads by these names.",
        "Take it out, or set support_js_module_import_aggregation = True in a subclass of the "
        "storage, which then writes the names with hashes into client.js.",
    ),
    "wsrequest.W015": Words(
        '{reader} takes the user from request.META["{key}"], which a WSGI server sets and '
        "messages of runwebsockets never have: each of them is anonymous.",
        "Have the proxy name the user in a header of its own, to both servers, and read that: "
        'header = "HTTP_X_PORTAL_USER" in a subclass (see wsrequest.E007). Or let '
        "PersistentRemoteUserMiddleware believe the session; or serve the project's HTTP by its "
        "asgi.py, where the header Remote-User counts for both. Silence this check if messages "
        "are meant to be anonymous.",
    ),
    "wsrequest.W016": Words(
        "{name} is {value}, so browsers do not send that cookie with the handshake at {path}: "
        "each message {consequence}.",
        'Set {name} = "/", or put the socket below it: WSREQUEST_PATH = "{better}". If the '
        "server's script name puts it there, silence this check.",
    ),
    "wsrequest.W030": Words(
        "cacheops answers queries from Redis past Django's caches, so live requests do not see "
        "what such a view reads.",
        "Set WSREQUEST_MAX_SUBSCRIPTIONS = 0, or leave the models that live views read out of "
        "CACHEOPS and silence this check.",
    ),
    "wsrequest.W018": Words(
        "DATABASES has {alias} with the name of {primary} on another server. If it is a copy of "
        "that, writes to the other trigger no rerun of what views read from it.",
        "Name it in WSREQUEST_LIVE_REPLICAS. If it is another database, silence this check.",
    ),
    # The live admin.
    "wsrequest.E013": Words(
        '"wsrequest.contrib.admin" is in INSTALLED_APPS without {missing}.',
        "Add what is missing, or take it out.",
    ),
    "wsrequest.W049": Words(
        "WSREQUEST_MAX_SUBSCRIPTIONS is 0, so no page of the admin is live.",
        'Raise it, or take "wsrequest.contrib.admin" out of INSTALLED_APPS.',
    ),
    "wsrequest.W050": Words(
        "WSREQUEST_EXCLUDED_PATHS has {path}, so no page of this admin is live.",
        "Take it out if no proxy guards that path. Otherwise take "
        '"wsrequest.contrib.admin" out of INSTALLED_APPS, or silence this check.',
    ),
    # Its deployment.
    "wsrequest.W020": Words(
        'ALLOWED_HOSTS has "*", so the Origin of a WebSocket is compared with a Host that an '
        "attacker can choose.",
        "Name the hosts. With DNS rebinding a foreign page passes for the server's own.",
    ),
    "wsrequest.W021": Words(
        "SESSION_COOKIE_SAMESITE is {value}, so the visitor's session goes with the WebSockets "
        "that foreign pages open.",
        'Set it to "Lax" or "Strict". Until then the Origin check is all that stands between.',
    ),
    "wsrequest.W022": Words(
        "SECURE_SSL_REDIRECT is on without SECURE_PROXY_SSL_HEADER: behind a proxy that ends TLS "
        "every WebSocket is taken for one without TLS, and refused.",
        "Set SECURE_PROXY_SSL_HEADER to what the proxy sends. If the server ends TLS itself, or "
        "takes the scheme from X-Forwarded-Proto, silence this check.",
    ),
    "wsrequest.W023": Words(
        "Cookies set over a socket wait in {place} to be made the browser's, where {fault}.",
        "Install django.contrib.sessions with a store in the database, or give the processes a "
        "cache in common.",
    ),
    "wsrequest.W024": Words(
        "WSREQUEST_ALLOWED_ORIGINS has {value}, whose pages anybody on their way can change.",
        "Serve it by https, and allow that.",
    ),
    "wsrequest.W025": Words(
        "{package} {version} is installed, which has known holes ({advisories}).",
        "Upgrade it to {fixed} or later, or remove it if another server serves the project.",
    ),
    "wsrequest.W027": Words(
        "WSREQUEST_PATH is {value}, which begins with FORCE_SCRIPT_NAME ({name}): the socket is "
        "not found where a proxy takes the prefix off.",
        'Leave the script name out, WSREQUEST_PATH = "{shorter}". The socket is found with the '
        "prefix and without.",
    ),
    "wsrequest.W042": Words(
        "WSREQUEST_BUS is {value}, which reaches one process only: live requests show the commits "
        "of other processes after up to {seconds} seconds.",
        "Name a bus that reaches all processes, such as redis://127.0.0.1:6379/0 "
        "(docs/processes.md). If one process serves the whole project and nothing else writes, "
        "silence this check.",
    ),
    # The log of PostgreSQL, which WSREQUEST_BUS or WSREQUEST_RELAYED_LOG names.
    "wsrequest.W046": Words(
        "The database {alias} does not write what wsrequest reads: its wal_level is {level}.",
        "As a superuser, run ALTER SYSTEM SET wal_level = 'logical', and restart the server.",
    ),
    "wsrequest.W047": Words(
        "The role of the database {alias} may not read its log, which {setting} names.",
        "As a superuser, run ALTER ROLE … REPLICATION, or name another role in {setting}: "
        '"postgresql+log://user:password@alias".',
    ),
    "wsrequest.W048": Words(
        'The database {alias} has no publication "wsrequest", which wsrequest reads.',
        "Run manage.py wsrequest_publication.",
    ),
    "wsrequest.W043": Words(
        'The publication "wsrequest" of the database {alias} does not report {tables}.',
        "Run manage.py wsrequest_publication. If it names a row filter, remove that.",
    ),
    "wsrequest.W044": Words(
        "Tables of the database {alias} have no primary key and cannot be published: {tables}.",
        "Give them one, or run ALTER TABLE … REPLICA IDENTITY FULL and then manage.py "
        "wsrequest_publication. Until then, only writes of processes with these settings are "
        "noticed there.",
    ),
    "wsrequest.W045": Words(
        "All replication slots or WAL senders of the database {alias} are in use. No further "
        "process can read its log.",
        "Raise max_replication_slots and max_wal_senders, one of each for every process that "
        "serves live requests, and restart the server. Or let one process read the log for all: "
        "WSREQUEST_RELAYED_LOG.",
    ),
    "wsrequest.W051": Words(
        "LivePageMiddleware stands {place}, {reason}.",
        "In MIDDLEWARE, put it directly below the middleware that compresses pages, and above all "
        "others.",
    ),
    "wsrequest.I002": Words(
        "The admin is installed, and WSREQUEST_EXCLUDED_PATHS is empty.",
        "If your proxy guards paths, by address or by password, its rules do not see messages. "
        "List those paths, and browsers go there by HTTP. If it guards none, silence this check.",
    ),
    "wsrequest.I001": Words(
        "No ASGI application of this project is known to serve the socket.",
        "If an ASGI server runs the project, import get_asgi_application from wsrequest.asgi in "
        "its asgi.py, and name that in ASGI_APPLICATION. If a WSGI server does, let a process of "
        "its own serve the sockets: manage.py runwebsockets.",
    ),
}

CHECKS: dict[str, str] = {id: check.sentence for id, check in _TABLE.items()}
"""The id of each check, with the sentence that it reports. ``{names}`` are filled in."""


def message(id: str, /, **facts: object) -> CheckMessage:
    """Return the message of one finding.

    Args:
        id: a key of ``CHECKS``.
        facts: the values of the names in its sentences.
    """
    check = _TABLE[id]
    level = _LEVELS[id.partition(".")[2][0]]
    return CheckMessage(level, check.sentence.format(**facts), check.remedy.format(**facts), id=id)
