"""Large bodies and small calls in Chromium: the client's fetch beside the browser's own.

One page, one server, one run: each call of ours has one of the browser's own behind it or
before it. Chromium is driven by its own DevTools protocol, so nothing is needed but the program.
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from benchmarks.browser_rows import JOBS, WAYS, Job, bodies
from benchmarks.measure import Environs, Sample, Samples, Say, others
from benchmarks.servers import Server, core_busy, end_process, processor_seconds, running
from benchmarks.subjects import SUBJECTS

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-first-run",
)  # fmt: skip
_START_SECONDS = 30.0
_ANSWER_SECONDS = 120.0
_LEAST_CALLS = 3  # of a slice, each way

# In the page. Making the body and looking at the answer are no part of the time.
_SCRIPT = """
(async () => {
  const { Client } = await import("/bodies/static/client.js");
  const client = new Client({ url: "/ws/", openTimeoutMs: 30000 });
  const ways = { ours: client.fetch, fetch: window.fetch.bind(window) };
  const random = (size) => {
    const bytes = new Uint8Array(size);
    for (let start = 0; start < size; start += 65536)
      crypto.getRandomValues(bytes.subarray(start, start + 65536));
    return bytes;
  };
  const checked = (way, response) => {
    const by = response.headers.get("x-way");
    if (!response.ok || by !== (way === "ours" ? "socket" : "http"))
      throw new Error(`${way}: ${response.status} by ${by}`);
    return response;
  };
  globalThis.measure = async (way, path, size, count, isEchoed) => {
    const fetch = ways[way];
    const body = size ? random(size) : undefined;
    const init = body && { method: "POST", body };
    let came;
    const began = performance.now();
    for (let call = 0; call < count; call++)
      came = new Uint8Array(await checked(way, await fetch(path, init)).arrayBuffer());
    const ms = performance.now() - began;
    const isRight = isEchoed
      ? came.length === size && came.every((byte, index) => byte === body[index])
      : new TextDecoder().decode(came) === String(size);
    if (!isRight) throw new Error(`${way}: another answer of ${came.length} bytes`);
    return ms;
  };
})()
"""


class Chromium:
    """A page of a headless Chromium.

    Args:
        program: where it is.
        directory: for its profile; empty.
    """

    def __init__(self, program: str, directory: str) -> None:
        argv = [program, *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={directory}"]
        self.process = subprocess.Popen(
            [*argv, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._ids = itertools.count(1)
        self._open = ExitStack()
        try:
            self._page = self._connect(Path(directory, "DevToolsActivePort"))
        except BaseException:
            self.stop()
            raise

    def _connect(self, place: Path) -> ClientConnection:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with_port = place.read_text().split() if place.exists() else []
            if with_port:
                url = f"http://127.0.0.1:{with_port[0]}/json/list"
                with urllib.request.urlopen(url, timeout=_START_SECONDS) as answer:
                    pages = [each for each in json.load(answer) if each["type"] == "page"]
                if pages:
                    address = pages[0]["webSocketDebuggerUrl"]
                    return self._open.enter_context(
                        connect(address, max_size=None, compression=None)
                    )
            time.sleep(0.05)
        raise SystemExit("Chromium did not start")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Have it do something, and return what it says to that."""
        id = next(self._ids)
        self._page.send(json.dumps({"id": id, "method": method, "params": params}))
        while True:
            found: dict[str, Any] = json.loads(self._page.recv(_ANSWER_SECONDS))
            if found.get("id") == id:  # what has none is an event
                if "error" in found:
                    raise SystemExit(f"{method}: {found['error']}")
                result: dict[str, Any] = found["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript, or what its promise resolves with."""
        found = self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise SystemExit(f"the page failed: {found['result'].get('description', found)}")
        return found["result"].get("value")

    def visit(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self.command("Page.navigate", url=url)
        end = time.monotonic() + _START_SECONDS
        ready = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        while not self.evaluate(ready):
            if time.monotonic() > end:
                raise SystemExit(f"Chromium did not show {url}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it. Safe to call twice."""
        self._open.close()
        end_process(self.process)


def program() -> str | None:
    """Where Chromium is; None where it is not."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def version() -> str:
    """Which Chromium it is."""
    found = program()
    assert found is not None
    return subprocess.check_output([found, "--version"], text=True).split()[1]


@contextmanager
def opened(found: str, url: str, script: str = _SCRIPT) -> Iterator[Chromium]:
    """Open a page in a Chromium of its own.

    Args:
        found: where Chromium is.
        url: of the page.
        script: is run there first.
    """
    # What it has still to write when its first process ends does not matter.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        page = Chromium(found, directory)
        try:
            page.visit(url)
            page.evaluate(script)
            yield page
        finally:
            page.stop()


def page_meters(server: Server, page: Chromium) -> dict[str, float]:
    """Processor seconds so far: the server's, Chromium's, and those of their cores."""
    found = {"server": server.cpu(), "load": processor_seconds(page.process.pid)}
    if server.core is not None:
        (load_core,) = os.sched_getaffinity(0)
        found |= {"server_core": core_busy(server.core), "load_core": core_busy(load_core)}
    return found


def _call(server: Server, page: Chromium, job: Job, way: str) -> Sample:
    before, start = page_meters(server, page), time.perf_counter()
    config = json.dumps([way, job.path, job.size_bytes, job.count, job.is_echoed])
    ms = page.evaluate(f"measure(...{config})")
    seconds = time.perf_counter() - start
    used = {name: value - before[name] for name, value in page_meters(server, page).items()}
    return {
        "ms": ms,
        "seconds": seconds,
        "cpu_s_per_1000": 1000 * used["server"] / job.count,
        "server_busy": used["server"] / seconds,
        "load_busy": used["load"] / seconds,
        "server_others": others(used, seconds, "server"),
        "load_others": others(used, seconds, "load"),
    }


def _slice(server: Server, page: Chromium, job: Job, seconds: float) -> dict[str, Sample]:
    """Calls in turn; the median of each way, each time the other way first."""
    calls: dict[str, list[Sample]] = {way: [] for way in WAYS}
    end, scheduler = time.monotonic() + seconds, 0
    while scheduler < _LEAST_CALLS or time.monotonic() < end:
        for way in WAYS if scheduler % 2 == 0 else reversed(WAYS):
            calls[way].append(_call(server, page, job, way))
        scheduler += 1
    return {
        way: {name: statistics.median(each[name] for each in found) for name in found[0]}
        for way, found in calls.items()
    }


def measure(
    rows: Collection[int], rounds: int, seconds: float, environs: Environs, core: int | None,
    say: Say,
) -> Samples:  # fmt: skip
    """Measure the jobs of these rows both ways in each round.

    Args:
        rows: of the table.
        rounds: how many.
        seconds: of each slice, at least three calls each way.
        environs: the environment of each subject.
        core: of the server; Chromium runs where this process does.
        say: told what is going on, also that Chromium is missing.
    """
    found = program()
    if found is None:
        say("Chromium was not found: what is measured in it is left out")
        return {}
    jobs = [job for job in JOBS if job.row in rows]
    samples: Samples = {bodies(way, job): [] for job in jobs for way in WAYS}
    with running([SUBJECTS["ours"]], environs, core) as servers:
        server = servers["ours"]
        with opened(found, f"http://127.0.0.1:{server.port}/bodies/") as page:
            for job in jobs:
                _slice(server, page, job, 0.0)  # for what is done once
            for number in range(rounds):
                say(f"Chromium, round {number + 1} of {rounds}")
                for job in jobs if number % 2 == 0 else reversed(jobs):
                    for way, sample in _slice(server, page, job, seconds).items():
                        samples[bodies(way, job)].append(sample)
    return samples
