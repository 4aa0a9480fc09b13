"""The pages that run a script of tests: in a window, or in a dedicated worker.

A script says in comments at its top what it needs: ``// META: script=../resources/utils.js``.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

__all__ = ["REPORT", "wrapped"]

_META = re.compile(rb"^//\s*META:\s*(\w+)=(.*)$")

_HEAD = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
{timeout}
<script>
self.GLOBAL = {{ isWindow: () => true, isWorker: () => false, isShadowRealm: () => false }};
</script>
<script src="/resources/testharness.js"></script>
<script src="/resources/testharnessreport.js"></script>
<div id="log"></div>
"""

_WORKER = """
self.GLOBAL = {{ isWindow: () => false, isWorker: () => true, isShadowRealm: () => false }};
importScripts("/resources/testharness.js");
{scripts}
importScripts("{path}");
done();
"""

REPORT = """
add_completion_callback((tests, { status, message }) => {
  const results = tests.map(({ name, status, message }) => ({ name, status, message }));
  globalThis.wptResults = { status, message, results };
});
"""
"""Takes the place of resources/testharnessreport.js: the runner waits for ``wptResults``."""


def _metadata(script: Path) -> Iterator[tuple[str, str]]:
    for line in script.read_bytes().splitlines():
        found = _META.match(line.strip())
        if found:
            yield found[1].decode(), found[2].strip().decode()
        elif line.strip() and not line.startswith(b"//"):
            return


def wrapped(root: Path, path: str, query: str) -> tuple[str, str] | None:
    """Return the content and the type of a page or script that wraps one of the tests.

    Args:
        root: the folder of the tests.
        path: as asked for, such as ``/fetch/api/basic/accept-header.any.worker.html``.
        query: of the address, with its question mark.

    Source: Web Platform Tests, "testharness.js tests": the kinds of files and their metadata.
    """
    for ending, kind in (
        (".any.html", "any.js"),
        (".any.worker.html", "any.js"),
        (".any.worker.js", "any.js"),
        (".window.html", "window.js"),
        (".worker.html", "worker.js"),
    ):
        script = path.removesuffix(ending) + f".{kind}"
        if path.endswith(ending) and (root / script.lstrip("/")).is_file():
            return _page(root, script, query, ending)
    return None


def _page(root: Path, script: str, query: str, ending: str) -> tuple[str, str]:
    metadata = list(_metadata(root / script.lstrip("/")))
    scripts = [value for key, value in metadata if key == "script"]
    if ending == ".any.worker.js":
        imported = "\n".join(f'importScripts("{each}");' for each in scripts)
        return _WORKER.format(scripts=imported, path=script), "text/javascript"
    head = _HEAD.format(
        title=escape(next((value for key, value in metadata if key == "title"), script)),
        timeout='<meta name="timeout" content="long">' if ("timeout", "long") in metadata else "",
    )
    if "worker" in ending:
        worker = script.replace(".any.js", ".any.worker.js") + query
        body = f'<script>fetch_tests_from_worker(new Worker("{worker}"));</script>'
    else:
        body = "\n".join(f'<script src="{escape(each)}"></script>' for each in [*scripts, script])
    return head + body, "text/html"
