"""Answers of every kind: bodies, headers, statuses, streams, caches and conditions."""

from tests.parity.project.views.answers import ANSWERS
from tests.parity.rows import Row, call, row
from tests.parity.table.requests import METHODS

DATE = "Wed, 21 Oct 2099 07:28:00 GMT"
PAGE = "/static-file/parity/page.html"
GZIP = {"Accept-Encoding": "gzip"}
STREAMS = ["plain", "list", "empty", "query"]
BROKEN_OFF = ("204-body", "304-length")
WORKER_DIFFERS = {"599": "reason", "reason": "reason", "304-length": "length-of-304"}
ETAG = '"v1"'

ROWS: list[Row] = [
    *(
        row(
            f"answer {kind}",
            f"/answer/{kind}/",
            asgi=kind not in BROKEN_OFF,
            asgi_differs="length-of-204" if kind == "204" else "",
            worker_differs=WORKER_DIFFERS.get(kind, ""),
        )
        for kind in ANSWERS
    ),
    *(
        row(f"answer {kind}, async", f"/aanswer/{kind}/")
        for kind in ("json", "file", "cookies", "unrendered")
    ),
    *(
        row(f"answer {kind}, bare", f"/answer/{kind}/", stack="bare")
        for kind in ("json", "empty", "cookies", "file", "iterator", "204", "simple-template")
    ),
    *(row(f"HEAD of {kind}", call("HEAD", f"/answer/{kind}/")) for kind in ("json", "file", "404")),
    row("HEAD of 204", call("HEAD", "/answer/204/"), asgi_differs="length-of-204"),
    *(
        row(
            f"HEAD of a stream, {stack}",
            call("HEAD", "/streams/plain/"),
            stack=stack,
            differs="head-of-a-stream",
        )
        for stack in ("full", "bare")
    ),
    *(row(f"post only, {method}", call(method, "/post-only/")) for method in METHODS),
    # Streams.
    *(row(f"stream {kind}", f"/streams/{kind}/?wrap") for kind in STREAMS),
    *(
        row(f"stream {kind}, in parts", call("GET", f"/streams/{kind}/?wrap", credit=True))
        for kind in STREAMS
    ),
    *(row(f"async stream {kind}", f"/astreams/{kind}/") for kind in ("plain", "query")),
    *(
        row(f"async stream {kind}, in parts", call("GET", f"/astreams/{kind}/", credit=True))
        for kind in ("plain", "query")
    ),
    row("events", call("GET", "/streams/events/", credit=True)),
    row("async events", call("GET", "/astreams/events/", credit=True)),
    row("file", "/file/?bytes=100000"),
    row("file in parts", call("GET", "/file/?bytes=200000", credit=True)),
    row("file range", call("GET", "/answer/file/", headers={"Range": "bytes=1-3"})),
    # Conditions and caches.
    row("served file", PAGE),
    row("served file, newer", call("GET", PAGE, headers={"If-Modified-Since": DATE})),
    row("served file, range", call("GET", PAGE, headers={"Range": "bytes=0-4"})),
    row("served file, missing", "/static-file/none.html"),
    row("served directory", "/static-file/parity/"),
    row("served file, escaping", "/static-file/../settings.py", "/static-file/%2e%2e/settings.py"),
    *(
        row(f"etag, {method}", call(method, "/tagged/text/", headers={"If-None-Match": ETAG}))
        for method in ("GET", "HEAD", "POST")
    ),
    row("etag, weak", call("GET", "/tagged/text/", headers={"If-None-Match": 'W/"v1"'})),
    row("etag, other", call("GET", "/tagged/text/", headers={"If-None-Match": '"v2"'})),
    row("etag, must match", call("PUT", "/tagged/text/", headers={"If-Match": '"v2"'})),
    row("etag of the middleware", call("GET", "/answer/json/", headers={"If-None-Match": "*"})),
    row("cached", "/cached/nothing/?a=1", "/cached/nothing/?a=1", "/cached/nothing/?a=2"),
    row("cached, HEAD after GET", "/cached/nothing/", call("HEAD", "/cached/nothing/")),
    row(
        "cached by language",
        "/cached/nothing/",
        call("GET", "/cached/nothing/", headers={"Accept-Language": "de"}),
        "/cached/nothing/",
    ),
    row(
        "page cached",
        "/page-cached/json/",
        "/page-cached/json/",
        call("POST", "/page-cached/json/"),
    ),
    row("page cached, cookies", "/page-cached/cookies/", "/page-cached/cookies/"),
    row("never cached", "/never/text/"),
    row("vary", "/vary/text/"),
    row("xframe exempt", "/exempt/text/"),
    row("zipped, not asked for", "/answer/long/", "/zipped/long/"),
    row("zipped", "/answer/long/", handshake=GZIP, differs="accept-encoding"),
    row("zipped json", "/big-json/?bytes=3000", handshake=GZIP, differs="accept-encoding"),
    row("zipped stream", "/stream/?count=100", handshake=GZIP, differs="accept-encoding"),
    row("already coded", "/zipped-json/", handshake=GZIP),
    # Redirects.
    row("append slash", "/slash?a=1", "/answer/json", "/no/such/page"),
    row("append slash, POST", call("POST", "/slash", data={})),
    row("append slash, not here", "/no-slash"),
    row("append slash, encoded", "/see/body/%C3%BC%20", "/%C3%BC"),
    row("redirect view", "/generic/redirect/body/", call("POST", "/generic/redirect/body/")),
    # Templates and languages.
    row("template", "/template/", "/generic/template/", "/page/?name=<b>"),
    row("template, German", call("GET", "/template/", headers={"Accept-Language": "de"})),
    row("generic views", "/generic/list/", "/generic/create/", call("OPTIONS", "/generic/list/")),
    row("language prefix", "/en/translated/", "/de/translated/", "/translated/", "/xx/translated/"),
    row(
        "language of the cookie",
        "/language/",
        "/translated/",
        handshake={"Cookie": "django_language=fr"},
    ),
]
