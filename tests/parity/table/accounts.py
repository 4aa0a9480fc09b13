"""What lasts between requests: sessions, users, messages, tokens and cookies."""

from tests.parity.rows import Row, call, row
from tests.parity.table.bodies import FORM

PAGE = "http://testserver"
SECRET = "s" * 32
CSRF = {"Cookie": f"csrftoken={SECRET}"}
WITH_TOKEN = {**FORM, "X-CSRFToken": SECRET}
LOGIN = [
    call("POST", "/sign-up/?user=anna"),
    call("POST", "/log-in/", body="user=anna", headers=WITH_TOKEN),
]

ROWS: list[Row] = [
    row("session", *(f"/session/{do}/" for do in ("set", "count", "count", "none"))),
    row("session seen", "/session/set/", "/see/nothing/", "/asession/count/", "/asession/count/"),
    row(
        "session expiry", "/session/set/", "/session/expire/", "/session/browser/", "/session/none/"
    ),
    row("session cycled", "/session/set/", "/session/cycle/", "/session/none/"),
    row("session flushed", "/session/set/", "/session/flush/", "/session/none/"),
    row("session of the handshake", "/session/count/", handshake={"Cookie": "sessionid=unknown"}),
    row("test cookie", "/session/test/", "/session/none/"),
    row(
        "messages",
        "/session/message/",
        "/session/message/",
        "/session/messages/",
        "/session/messages/",
    ),
    row("message in a template", "/session/message/", "/template/", "/template/"),
    row("login", *LOGIN, "/who/", "/who/async/", "/see/nothing/", handshake=CSRF),
    row("logout", *LOGIN, call("POST", "/log-out/", headers=WITH_TOKEN), "/who/", handshake=CSRF),
    row(
        "login, wrong name",
        call("POST", "/log-in/", body="user=bob", headers=WITH_TOKEN),
        handshake=CSRF,
    ),
    row("login twice", *LOGIN, LOGIN[1], "/who/", handshake=CSRF),
    row(
        "password changed",
        *LOGIN,
        call("POST", "/password/", headers=WITH_TOKEN),
        "/who/",
        handshake=CSRF,
    ),
    row("deactivated", *LOGIN, call("POST", "/deactivate/?user=anna"), "/who/", handshake=CSRF),
    row("login required", "/members/?a=1", *LOGIN, "/members/", handshake=CSRF),
    row("permission required", "/may/"),
    row("csrf, no token", call("POST", "/protected/", body="a=1", headers=FORM)),
    row(
        "csrf, no token in a form",
        call("POST", "/form/", body="text=x", headers=FORM),
        handshake=CSRF,
    ),
    row(
        "csrf, token in the header",
        call("POST", "/form/", body="text=x", headers=WITH_TOKEN),
        handshake=CSRF,
    ),
    row(
        "csrf, token in the form",
        call("POST", "/form/", body=f"text=x&csrfmiddlewaretoken={SECRET}", headers=FORM),
        handshake=CSRF,
    ),
    row(
        "csrf, wrong token",
        call("POST", "/form/", headers={"X-CSRFToken": "t" * 32}),
        handshake=CSRF,
    ),
    row("csrf token", "/session/token/", "/ensured/", "/generic/create/"),
    row("csrf, debug", call("POST", "/form/"), settings={"DEBUG": True}),
    row(
        "csrf in the session",
        "/session/token/",
        call("POST", "/form/"),
        settings={"CSRF_USE_SESSIONS": True},
    ),
    row(
        "csrf of a page",
        call("POST", "/form/", body="text=x", headers=FORM),
        origin=PAGE,
        differs="csrf",
    ),
    row(
        "cookies of a page",
        "/session/set/",
        "/session/count/",
        "/answer/cookies/",
        origin=PAGE,
        differs="tickets",
    ),
    row("cookies", "/cookies/?a=1&b=2", "/see/nothing/", "/cookies/?delete=a", "/see/nothing/"),
    row("cookies of all kinds", "/answer/cookies/"),
    row(
        "set language",
        call("POST", "/set-language/", body="language=de&next=/x", headers=WITH_TOKEN),
        "/language/",
        handshake=CSRF,
    ),
    row(
        "cookie secure",
        "/session/set/",
        settings={
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_SAMESITE": "None",
            "SESSION_COOKIE_NAME": "s",
        },
    ),
    row(
        "session saved at each request",
        "/session/set/",
        "/session/none/",
        settings={"SESSION_SAVE_EVERY_REQUEST": True},
    ),
    row(
        "signed cookies",
        call("GET", "/session/set/"),
        "/session/none/",
        stack="secure",
        handshake={"X-Forwarded-Proto": "https"},
        settings={"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
    ),
    # Databases.
    *(
        row(f"table {do}", call("POST", f"/table/{do}/"))
        for do in ("read", "write", "fail", "404", "atomic", "rollback")
    ),
    *(
        row(
            f"table {do}, atomic requests",
            call("POST", f"/table/{do}/"),
            settings={"ATOMIC_REQUESTS": True},
        )
        for do in ("read", "write", "fail", "404", "atomic", "rollback")
    ),
    row("table, async", "/atable/"),
    row("table, async, atomic requests", "/atable/", settings={"ATOMIC_REQUESTS": True}),
    row("two databases", call("POST", "/table/two/")),
]
