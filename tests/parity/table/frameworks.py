"""Django REST framework and django-ninja."""

from tests.parity.rows import Row, call, row
from tests.parity.table.bodies import FILES, FORM, MULTIPART

HTML = {"Accept": "text/html"}
NOTE = {"text": "a note ü"}
JSON = {"Content-Type": "application/json"}

ROWS: list[Row] = [
    row("drf function", "/api/function/", call("POST", "/api/function/", data=NOTE)),
    row("drf form", call("POST", "/api/function/", body="a=1&a=2", headers=FORM)),
    row("drf upload", call("POST", "/api/function/", body=FILES, headers=MULTIPART)),
    row("drf unsupported type", call("POST", "/api/function/", body="x")),
    row("drf parse error", call("POST", "/api/function/", body='{"a": ', headers=JSON)),
    row(
        "drf not allowed", call("DELETE", "/api/function/"), call("PUT", "/api/function/", data={})
    ),
    row("drf options", call("OPTIONS", "/api/function/"), call("OPTIONS", "/api/notes/")),
    row("drf head", call("HEAD", "/api/function/")),
    row("drf not acceptable", call("GET", "/api/function/", headers={"Accept": "image/png"})),
    row(
        "drf format",
        "/api/function/?format=json",
        "/api/function/?format=api",
        "/api/function/?format=x",
    ),
    row(
        "drf browsable",
        *(call("GET", url, headers=HTML) for url in ("/api/function/", "/api/", "/api/notes/")),
    ),
    row(
        "drf denied",
        "/api/member/",
        call("POST", "/api/member/", data=NOTE),
        call("GET", "/api/member/", headers=HTML),
    ),
    row(
        "drf basic, wrong", call("GET", "/api/member/", headers={"Authorization": "Basic bm86bm8="})
    ),
    row("drf basic, broken", call("GET", "/api/member/", headers={"Authorization": "Basic x"})),
    row(
        "drf basic",
        call("POST", "/sign-up/?user=anna"),
        call(
            "GET",
            "/api/member/",
            headers={"Authorization": "Basic YW5uYTphIHBhc3N3b3JkIGZvciB0ZXN0cw=="},
        ),
    ),
    row("drf throttled", *["/api/throttled/?name=parity"] * 3),
    row(
        "drf set",
        call("POST", "/api/notes/", data=NOTE),
        "/api/notes/",
        "/api/notes/1/",
        "/api/notes.json",
        call("PATCH", "/api/notes/1/", data={"text": "changed"}),
        call("PUT", "/api/notes/1/", data={}),
        call("POST", "/api/notes/1/shout/"),
        call("GET", "/api/notes/1/", headers=HTML),
        call("DELETE", "/api/notes/1/"),
        "/api/notes/1/",
        asgi_differs="length-of-204",
    ),
    row(
        "drf invalid",
        call("POST", "/api/notes/", data={"text": ""}),
        call("POST", "/api/notes/", data=[]),
    ),
    row("drf filter", "/api/notes/?text=x"),
    row(
        "drf debug",
        call("POST", "/api/function/", body="{", headers=JSON),
        settings={"DEBUG": True},
    ),
    row("ninja", "/ninja/add?a=1&b=2", "/ninja/add?a=one", "/ninja/add", "/ninja/none"),
    row("ninja body", call("POST", "/ninja/notes", data=NOTE), "/ninja/notes/1", "/ninja/notes/2"),
    row(
        "ninja invalid",
        call("POST", "/ninja/notes", data={}),
        call("POST", "/ninja/notes", body="{", headers=JSON),
    ),
    row("ninja not allowed", call("PUT", "/ninja/notes", data={})),
    row("ninja debug", "/ninja/notes/2", settings={"DEBUG": True}),
]
