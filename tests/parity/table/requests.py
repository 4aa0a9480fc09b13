"""Methods, URLs and headers: what a view sees of a request without a body."""

from tests.parity.rows import Row, call, row

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

PATHS = {
    "plain": "/see/nothing/some/path",
    "space": "/see/nothing/a%20b",
    "plus": "/see/nothing/a+b",
    "utf-8": "/see/nothing/caf%C3%A9/",
    "not encoded": "/see/nothing/café/日本/",
    "emoji": "/see/nothing/%F0%9F%98%80/",
    "broken utf-8": "/see/nothing/%FF%FE/",
    "half a character": "/see/nothing/caf%C3/%A9",
    "encoded slash": "/see/nothing/a%2Fb%2fc/",
    "double slash": "/see/nothing//a//b/",
    "dots": "/see/nothing/a/../b/./c",
    "encoded dots": "/see/nothing/%2e%2e/%2E/x",
    "semicolon": "/see/nothing/a;b=1;c/",
    "lone percent": "/see/nothing/100%/",
    "bad percent": "/see/nothing/%zz%4/",
    "encoded percent": "/see/nothing/%2525/",
    "encoded question mark": "/see/nothing/%3Fa=1",
    "encoded hash": "/see/nothing/%23a",
    "encoded zero": "/see/nothing/a%00b",
    "encoded line feed": "/see/nothing/a%0Ab",
    "encoded backslash": "/see/nothing/a%5Cb",
    "reserved": "/see/nothing/!$&'()*,=:@-._~",
    "unsafe": '/see/nothing/<>"{}|^`[]',
    "long": "/see/nothing/" + "x" * 4000,
    "not ascii in the pattern": "/ü/",
    "groups": "/group/17/name",
    "optional group": "/group/17/",
    "included": "/nested/see/",
    "missing": "/no/such/page/",
    "root": "/",
    "double slash at the end": "/slash//",
}
BROKEN = ("broken utf-8", "half a character")
QUERIES = {
    "none": "",
    "empty": "?",
    "repeated": "?a=1&a=2&b=&c",
    "encoded": "?q=a+b%20c%26d%3D&x=%C3%A9",
    "not encoded": "?q=ü&日本=1",
    "broken utf-8": "?q=%FF&r=caf%C3",
    "bad percent": "?q=%&r=%zz",
    "semicolon": "?a=1;b=2",
    "ampersands": "?&&a=1&&",
    "second question mark": "?a=1?b=2",
    "equals": "?a==&=b&=",
    "slashes": "?next=//evil/../x&u=http://a/b",
    "brackets": "?a[]=1&a[]=2&b[c]=3",
    "unsafe": "?a=<>\"'{}|^`",
    "zero": "?a=%00",
    "long": "?q=" + "x" * 4000,
}
HEADERS = {
    "accept": {"Accept": "text/html;q=0.5, application/json"},
    "languages": {"Accept-Language": "fr;q=0.2, de-AT, de;q=0.8, *;q=0.1"},
    "authorization": {"Authorization": "Basic dTpw"},
    "ajax": {"X-Requested-With": "XMLHttpRequest"},
    "range": {"Range": "bytes=0-3"},
    "user agent": {"User-Agent": "Page/1 (ü)"},
    "cache": {"Cache-Control": "no-cache", "Pragma": "no-cache"},
    "csrf": {"X-CSRFToken": "x" * 32},
    "conditions": {"If-None-Match": '"a", W/"b"', "If-Modified-Since": "x", "If-Match": "*"},
    "custom": {"X-Custom-Name": "a", "x-lower": "b", "X-UPPER": "c", "X-1": "d"},
    "spaces": {"X-Space": "  a \t b  ", "X-Empty": "", "X-Blank": "  "},
    "latin-1": {"X-Latin": "grün"},
    "punctuation": {"X-Odd": "\"a\", 'b'; c=\\d {e} <f> %41 é"},
    "content type": {"Content-Type": "text/html; charset=iso-8859-1"},
    "content headers": {"Content-Language": "de", "Content-Disposition": "inline"},
    "trace": {"Traceparent": "00-0af7-b7ad-01", "X-Request-ID": "7"},
    "http2": {"Priority": "u=1", "Save-Data": "on"},
    "long": {"X-Long": "x" * 4000},
}

FETCH = {"Accept": "*/*"}  # a page sends it with each call
BROWSER = {
    "User-Agent": "Browser/1",
    "Accept-Language": "de",
    "Accept": "*/*",
    "X-Proxy": "p",
    "Sec-Fetch-Site": "same-origin",
}

TWICE = (
    ("Accept-Language", "xx"),
    ("Accept-Language", "fr"),
    ("X-Custom", "a"),
    ("X-Custom", "b, c"),
    ("x-custom", ""),
)

ROWS: list[Row] = [
    *(row(f"method {method}", call(method, "/see/body/")) for method in METHODS),
    *(row(f"async method {method}", call(method, "/asee/body/")) for method in METHODS),
    *(row(f"class view {method}", call(method, "/class/anna/")) for method in METHODS),
    *(
        row(f"path {name}", url, asgi_differs="broken-paths" if name in BROKEN else "")
        for name, url in PATHS.items()
    ),
    *(
        row(
            f"query {name}",
            f"/see/nothing/{query}",
            worker_differs="empty-query" if name == "empty" else "",
        )
        for name, query in QUERIES.items()
    ),
    row("query of data", call("GET", "/see/body/?z=0", query={"a": [1, "ü b"], "c": "&="})),
    *(
        row(f"headers {name}", call("GET", "/see/nothing/", headers=headers))
        for name, headers in HEADERS.items()
    ),
    row("method in lower case", call("patch", "/see/body/")),
    row("token", call("GET", "/see/nothing/", token="a.b.c")),
    row("handshake", "/see/nothing/", handshake=BROWSER),
    row(
        "handshake replaced",
        call("GET", "/see/nothing/", headers={"accept-language": "fr", "User-Agent": "Other"}),
        "/see/nothing/",
        handshake=BROWSER,
    ),
    row(
        "handshake cookies",
        "/see/nothing/",
        handshake={"Cookie": 'a=1; b="x y"; c=ü; d'},
        asgi_differs="cookies-outside-of-ascii",
    ),
    row("handshake, headers twice", "/see/nothing/", "/language/", repeated=TWICE),
    row("handshake, underscores", "/see/nothing/", repeated=(("X_Proxy", "1"), ("X-Proxy", "2"))),
    row("async", "/asee/nothing/x/?a=1", handshake=BROWSER),
    *(row(f"stack {name}", "/see/body/?a=1", stack=name) for name in ("bare", "async")),
    *(row(f"stack {name}, async view", "/asee/body/", stack=name) for name in ("bare", "async")),
    row(
        "origin",
        "/see/body/",
        call("POST", "/see/post/"),
        origin="http://testserver",
        by_http=FETCH,
        differs="csrf",
    ),
    row(
        "cross origin",
        "/see/body/",
        origin="https://app.example",
        by_http=FETCH,
        differs="csrf",
    ),
    row(
        "browser",
        "/see/nothing/",
        handshake=BROWSER | {"Connection": "keep-alive", "Accept-Encoding": "gzip"},
        by_http={"Referer": "http://testserver/page/"},
        differs="connection accept-encoding referer",
    ),
    row("url with a backslash", "/see/nothing/?a=\\", differs="urls"),
    row("url of two slashes", "//see/nothing/", differs="urls"),
    row("method that is none of the seven", call("PROPFIND", "/see/nothing/"), differs="methods"),
    *(
        row(
            f"header {name}",
            call("GET", "/see/nothing/", headers={name: "x"}),
            differs="header-names",
        )
        for name in ("X-Forwarded-For", "Via", "X-Rewrite-URL", "X-Project-Secret")
    ),
    row(
        "method to override with",
        call("GET", "/see/nothing/", headers={"X-HTTP-Method-Override": "PUT"}),
    ),
    row(
        "language left behind",
        "/activate/de/",
        "/see/nothing/",
        "/see/nothing/",
        stack="bare",
        differs="left-behind",
    ),
]
