"""Settings that change how a request is seen or answered."""

from tests.parity.rows import Row, call, row
from tests.parity.table.bodies import FILES, FORM, MULTIPART

TLS = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
PROXY = {"USE_X_FORWARDED_HOST": True, "USE_X_FORWARDED_PORT": True, "ALLOWED_HOSTS": ["*"]}
MOUNTED = {"FORCE_SCRIPT_NAME": "/app"}

ROWS: list[Row] = [
    row(
        "behind tls",
        "/see/nothing/",
        "/session/token/",
        settings=TLS,
        handshake={"X-Forwarded-Proto": "https"},
    ),
    row(
        "behind a proxy without tls",
        "/see/nothing/",
        settings=TLS,
        handshake={"X-Forwarded-Proto": "http"},
    ),
    row(
        "proxy header, not believed",
        "/see/nothing/",
        handshake={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "other"},
    ),
    row(
        "forwarded host",
        "/see/nothing/",
        settings=PROXY,
        handshake={"X-Forwarded-Host": "public.example", "X-Forwarded-Port": "8443"},
    ),
    row(
        "forwarded for",
        "/see/nothing/",
        handshake={"X-Forwarded-For": "192.0.2.1, 192.0.2.2", "Forwarded": "for=192.0.2.1"},
    ),
    row("host with port", "/see/nothing/", handshake={"Host": "localhost:8123"}),
    row("host not allowed", "/see/nothing/", handshake={"Host": "evil.example"}, differs="host"),
    row(
        "host not allowed, debug",
        "/see/nothing/",
        handshake={"Host": "evil.example"},
        settings={"DEBUG": True},
        differs="host",
        worker_differs="debug-page",
    ),
    row("ssl redirect", "/see/nothing/?a=1", stack="secure"),
    row(
        "ssl, hsts",
        "/see/nothing/",
        stack="secure",
        settings=TLS,
        handshake={"X-Forwarded-Proto": "https"},
    ),
    row(
        "mounted", "/app/see/nothing/", "/app/", "/app/slash", "/app/session/set/", settings=MOUNTED
    ),
    row("no append slash", "/slash", settings={"APPEND_SLASH": False}),
    row("prepend www", "/slash/", "/slash", settings={"PREPEND_WWW": True}),
    row(
        "too many fields",
        call("POST", "/see/post/", body="a=1&b=2&c=3", headers=FORM),
        settings={"DATA_UPLOAD_MAX_NUMBER_FIELDS": 2},
    ),
    row(
        "too many fields in the query",
        "/see/nothing/?a=1&b=2&c=3",
        settings={"DATA_UPLOAD_MAX_NUMBER_FIELDS": 2},
    ),
    row(
        "too many fields, multipart",
        call("POST", "/see/post/", body=FILES, headers=MULTIPART),
        settings={"DATA_UPLOAD_MAX_NUMBER_FIELDS": 1},
    ),
    row(
        "too many files",
        call("POST", "/see/post/", body=FILES, headers=MULTIPART),
        settings={"DATA_UPLOAD_MAX_NUMBER_FILES": 1},
    ),
    *(
        row(
            f"too much data, {how}",
            call("POST", f"/see/{how}/", body="a=1&b=" + "x" * 100, headers=FORM),
            settings={"DATA_UPLOAD_MAX_MEMORY_SIZE": 50},
        )
        for how in ("body", "post", "read")
    ),
    row(
        "too much data, unread by the view",
        call("POST", "/upload/", body="a=1&b=" + "x" * 100, headers=FORM),
        settings={"DATA_UPLOAD_MAX_MEMORY_SIZE": 50},
    ),
    row(
        "temporary files",
        call("POST", "/see/post/", body=FILES, headers=MULTIPART),
        settings={"FILE_UPLOAD_MAX_MEMORY_SIZE": 1},
    ),
    row(
        "upload handlers",
        call("POST", "/see/post/", body=FILES, headers=MULTIPART),
        settings={
            "FILE_UPLOAD_HANDLERS": ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
        },
    ),
    row(
        "charset",
        "/answer/text/",
        "/see/nothing/?q=%FC",
        settings={"DEFAULT_CHARSET": "iso-8859-1"},
    ),
    row("language", "/language/", "/template/", settings={"LANGUAGE_CODE": "fr"}),
    row("no languages", "/language/", settings={"USE_I18N": False}),
    row(
        "messages in the session",
        "/session/message/",
        "/session/messages/",
        settings={"MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage"},
    ),
    row(
        "broken links",
        call("GET", "/no/such/page/", headers={"X-A": "b"}),
        settings={"MANAGERS": [("m", "m@example.com")]},
    ),
    row(
        "strict cookies",
        "/session/set/",
        settings={
            "SESSION_COOKIE_PATH": "/session/",
            "SESSION_COOKIE_DOMAIN": "testserver",
            "SESSION_COOKIE_AGE": 7,
        },
    ),
]
