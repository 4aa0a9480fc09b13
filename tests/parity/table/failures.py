"""Failures: in views, middleware, streams, templates, and in the handlers of failures."""

from tests.parity.project.views.failures import ERRORS
from tests.parity.rows import Row, call, row

KINDS = [*(kind for kind in ERRORS if kind != "system-exit")]
KINDS += ["none", "not-a-response", "group", "chained", "coroutine"]
ASYNC = ["404", "403", "400", "runtime", "none", "not-a-response", "group", "timeout"]
HOOKS = ["request", "view", "response"]
OUTCOMES = ["answer", "404", "403", "400", "500"]
OWN_HANDLERS = {"ROOT_URLCONF": "tests.parity.project.urls_handlers"}

ROWS: list[Row] = [
    *(row(f"fail {kind}", f"/fail/{kind}/", asgi=kind != "stop") for kind in KINDS),
    *(row(f"fail {kind}, async", f"/afail/{kind}/") for kind in ASYNC),
    *(
        row(f"fail {kind}, bare", f"/fail/{kind}/", stack="bare")
        for kind in ("404", "runtime", "none")
    ),
    *(
        row(f"fail {kind}, async stack", f"/fail/{kind}/", stack="async")
        for kind in ("404", "runtime")
    ),
    row("fail by POST", call("POST", "/fail/runtime/", data={"a": 1})),
    row("fail twice", "/fail/runtime/", "/see/body/"),
    *(
        row(f"middleware {hook} {outcome}", f"/template/?do={hook}-{outcome}")
        for hook in HOOKS
        for outcome in OUTCOMES
    ),
    *(
        row(f"middleware exception {outcome}", f"/fail/runtime/?do=exception-{outcome}")
        for outcome in OUTCOMES
    ),
    *(row(f"middleware {hook} 500, async view", f"/asee/body/?do={hook}-500") for hook in HOOKS),
    row("middleware exception, async view", "/afail/runtime/?do=exception-answer"),
    row("middleware template none", "/template/?do=template-none"),
    *(
        row(f"own handler of {kind}", f"/fail/{kind}/", settings=OWN_HANDLERS)
        for kind in ("404", "403", "400", "runtime")
    ),
    row("own handler of no page", "/no/such/page/", settings=OWN_HANDLERS),
    row("unsafe", "/unsafe/"),
    row(
        "stream fails, in parts",
        call("GET", "/streams/fail/", credit=True),
        asgi=False,
        differs="broken-stream",
    ),
    row("stream fails first", "/streams/fail-first/", asgi=False, differs="broken-stream"),
    row(
        "stream fails first, in parts",
        call("GET", "/streams/fail-first/", credit=True),
        asgi=False,
        differs="broken-stream",
    ),
    row("async stream fails", "/astreams/fail/", asgi=False, differs="broken-stream"),
    row(
        "async stream fails, in parts",
        call("GET", "/astreams/fail/", credit=True),
        asgi=False,
        differs="broken-stream",
    ),
    *(
        row(
            f"debug {kind}",
            f"/fail/{kind}/?a=<b>",
            settings={"DEBUG": True},
            differs="debug-page",
            asgi_differs="frames",
        )
        for kind in ("400", "suspicious", "runtime", "chained", "group", "none", "host")
    ),
    *(row(f"debug {kind}", f"/fail/{kind}/", settings={"DEBUG": True}) for kind in ("404", "403")),
    row(
        "debug async",
        "/afail/runtime/",
        settings={"DEBUG": True},
        differs="debug-page async-frames",
        asgi_differs="frames",
    ),
    row("debug no page", "/no/such/page/", "/", settings={"DEBUG": True}),
    row(
        "debug POST",
        call("POST", "/fail/runtime/", data={"a": 1}),
        settings={"DEBUG": True},
        differs="debug-page",
        asgi_differs="frames",
    ),
    row(
        "debug slash",
        call("POST", "/slash", data={"a": 1}),
        settings={"DEBUG": True},
        differs="debug-page",
    ),
    row(
        "debug broken template",
        "/answer/bad-template/",
        "/answer/unrendered/",
        settings={"DEBUG": True},
        differs="debug-page",
        asgi_differs="frames",
    ),
    row(
        "debug plain text",
        call("GET", "/fail/runtime/", headers={"Accept": "application/json"}),
        settings={"DEBUG": True},
        differs="debug-page",
        asgi_differs="frames",
    ),
]
