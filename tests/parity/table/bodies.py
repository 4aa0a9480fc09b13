"""Bodies: how they are sent, and how a view reads them."""

from tests.parity.rows import Row, call, row

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


def part(name: str, content: bytes, rest: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{rest}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def file(name: str, filename: str, content: bytes, content_type: str) -> bytes:
    return part(name, content, f'; filename="{filename}"\r\nContent-Type: {content_type}')


FILES = (
    part("a", b"1")
    + part("a", "ü".encode())
    + file("f", "n ü.bin", b"\x00\n\r\n\xff", "application/octet-stream; charset=x; y=z")
    + file("f", "../../etc/passwd", b"text", "text/plain")
    + file("empty", "", b"", "text/plain")
    + b"--x--\r\n"
)
LARGE = file("f", "large.bin", bytes(range(256)) * 512, "image/png") + b"--x--\r\n"
BROKEN = {
    "cut short": FILES[:150],
    "no end": part("a", b"1"),
    "no boundary": b"nothing of the kind",
    "empty": b"",
    "bad base64": part("f", b"!", '; filename="f"\r\nContent-Transfer-Encoding: base64'),
}
FORMS = {
    "plain": "a=1&b=2&a=3",
    "encoded": "a=%C3%A9+%26&%FC=1",
    "broken": "&&=&a&%zz=%",
    "empty": "",
    "json in it": '{"a": 1}',
}
JSON = [{"a": [1, 2.5, None, "ü\u2028"]}, [], "text", 0, None, True, {"nested": {"b": {}}}]
READERS = ["body", "read", "readline", "lines", "stream", "json"]
ORDERS = ["post", "body-post", "post-body", "read-body", "read-post", "latin-1", "handlers"]

ROWS: list[Row] = [
    *(row(f"json {n}", call("POST", "/see/json/", data=value)) for n, value in enumerate(JSON)),
    *(
        row(f"json by {method}", call(method, "/see/body/", data={"a": 1}))
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    row(
        "json of another type",
        call("POST", "/see/body/", data=[1], headers={"Content-Type": "application/x+json"}),
    ),
    row("json to an async view", call("POST", "/asee/body/", data={"a": 1})),
    row("json to request.POST", call("POST", "/see/post/", data={"a": 1})),
    *(
        row(f"form {name}", call("POST", "/see/post/", body=b, headers=FORM))
        for name, b in FORMS.items()
    ),
    row("form by PUT", call("PUT", "/see/post/", body="a=1", headers=FORM)),
    row("form to an async view", call("POST", "/asee/post/", body="a=1", headers=FORM)),
    row(
        "form in latin-1",
        call(
            "POST",
            "/see/post/",
            body=b"a=\xfc&b=%FC",
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=iso-8859-1"},
        ),
    ),
    row(
        "form of a charset that there is not",
        call(
            "POST",
            "/see/post/",
            body="a=1",
            headers={"Content-Type": f"{FORM['Content-Type']}; charset=none"},
        ),
    ),
    *(
        row(
            f"form read as {how}",
            call("POST", f"/see/{how}/?q=%FC", body="a=%FC&b=2", headers=FORM),
            asgi_differs="query-in-a-charset" if how == "latin-1" else "",
        )
        for how in ORDERS
    ),
    *(
        row(f"multipart read as {how}", call("POST", f"/see/{how}/", body=FILES, headers=MULTIPART))
        for how in ORDERS
    ),
    row("multipart by PUT", call("PUT", "/see/post/", body=FILES, headers=MULTIPART)),
    row("multipart to an async view", call("POST", "/asee/post/", body=FILES, headers=MULTIPART)),
    row("multipart, large", call("POST", "/see/post/", body=LARGE, headers=MULTIPART)),
    row("multipart in parts", call("POST", "/see/post/", body=LARGE, headers=MULTIPART, parts=4)),
    row(
        "multipart without boundary",
        call("POST", "/see/post/", body=FILES, headers={"Content-Type": "multipart/form-data"}),
    ),
    *(
        row(f"multipart {name}", call("POST", "/see/post/", body=body, headers=MULTIPART))
        for name, body in BROKEN.items()
    ),
    *(
        row(f"lines read as {how}", call("POST", f"/see/{how}/", body="one\ntwo ü\r\n\nfour"))
        for how in READERS
    ),
    row(
        "text of a type",
        call("PUT", "/see/body/", body="<a/>", headers={"Content-Type": "text/xml"}),
    ),
    row("text, empty", call("POST", "/see/body/", body="")),
    row("binary without type", call("POST", "/see/body/", body=bytes(range(256)))),
    row(
        "binary, empty", call("POST", "/see/body/", body=b"", headers={"Content-Type": "image/png"})
    ),
    row(
        "binary", call("PATCH", "/see/body/", body=b"\n{}\n", headers={"Content-Type": "image/png"})
    ),
    row("binary in parts", call("POST", "/see/read/", body=bytes(100_000), parts=3)),
    row(
        "binary json, broken",
        call("POST", "/see/json/", body=b'{"a": ', headers={"Content-Type": "application/json"}),
    ),
    row(
        "binary json, not utf-8",
        call("POST", "/see/json/", body=b'"\xff"', headers={"Content-Type": "application/json"}),
    ),
    row("a body of 300,000 bytes", call("POST", "/see/body/", body=b"x" * 300_000)),
    row("a body of 300,000 bytes, read", call("POST", "/see/read/", body=b"x" * 300_000)),
    row(
        "a body that nobody reads", call("POST", "/answer/text/", body=bytes(50_000)), "/see/body/"
    ),
    row("a body to no page", call("POST", "/no/such/page/", data={"a": 1})),
]
