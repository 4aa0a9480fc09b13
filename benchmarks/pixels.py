"""From COMMIT to pixels in Chromium: a live page beside a bare frame and ``innerHTML``.

Both pages show the same 50 rows. Each has a Chromium of its own, because a tab in the background
draws nothing. Commits take turns, so both are measured in the same seconds.
"""

import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

from websockets.sync.client import ClientConnection, connect

from benchmarks.browser import Chromium, opened, page_meters, program
from benchmarks.browser_rows import PIXEL_SUBJECTS, pixels
from benchmarks.live_rows import VIEWED
from benchmarks.measure import Environs, Sample, Samples, Say, others
from benchmarks.servers import Server, running
from benchmarks.subjects import SUBJECTS

_COMMITS = 10  # of a subject, for each second of a slice
_REST_SECONDS = (0.10, 0.15)  # more than a live query rests between two runs
_MOST_MS = 30_000
_COMMITTING = f"/live/{VIEWED}/set/"

# In the page, as a user has it: it draws when it likes. When the number of the row has changed in
# the document, the next frame shows it. A task that is posted in a frame runs after its paint.
_SCRIPT = f"""
(async () => {{
  const cell = () => document.querySelector("#score-{VIEWED} td:nth-child(2)");
  const shown = globalThis.shown = {{}};
  const {{ port1, port2 }} = new MessageChannel();
  const painting = [];
  port1.onmessage = () => {{
    for (const each of painting.splice(0)) each.paintedAt = performance.now();
  }};
  new MutationObserver(() => {{
    const number = cell()?.textContent;
    if (!number || number in shown) return;
    const each = shown[number] = {{ drawnAt: performance.now() }};
    requestAnimationFrame(() => {{
      painting.push(each);
      port2.postMessage(null);
    }});
  }}).observe(document, {{ subtree: true, childList: true, characterData: true }});
  globalThis.waitFor = async (number) => {{
    const end = performance.now() + {_MOST_MS};
    while (!shown[number]?.paintedAt) {{
      if (performance.now() > end) throw new Error(`${{number}} was not shown`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }}
    const {{ drawnAt, paintedAt }} = shown[number];
    return [drawnAt, paintedAt, cell().textContent];
  }};
  while (document.documentElement.dataset.liveState !== "live")
    await new Promise((resolve) => setTimeout(resolve, 20));
}})()
"""


@dataclass(slots=True)
class Side:
    """One subject, the page of it that Chromium shows, and the socket that writes."""

    server: Server
    page: Chromium
    socket: ClientConnection
    began: float  # where performance.now() counts from, by time.perf_counter

    def commit(self, n: int) -> Sample:
        """Write a number; return after how many milliseconds it was drawn, and was seen."""
        data = {"id": n, "method": "POST", "url": _COMMITTING, "data": {"n": n}}
        self.socket.send(json.dumps(data))
        committed = json.loads(self.socket.recv(30))["data"]["committed"]
        time.sleep(random.uniform(*_REST_SECONDS))  # the page is asked when it is done
        drawn, painted, text = self.page.evaluate(f"waitFor({n})")
        if text != str(n):
            raise SystemExit(f"{self.server.subject.name} shows {text} instead of {n}")
        return {
            "drawn_ms": 1000 * (self.began - committed) + drawn,
            "ms": 1000 * (self.began - committed) + painted,
        }


def _time_origin(page: Chromium) -> float:
    """Return where ``performance.now()`` of a page counts from, by ``time.perf_counter``.

    Both clocks are the system's monotonic one. The error is less than the shortest of the calls.
    """
    found = []
    for _ in range(50):
        before = time.perf_counter()
        now: float = page.evaluate("performance.now()") / 1000
        after = time.perf_counter()
        found.append((after - before, (before + after) / 2 - now))
    return min(found)[1]


@contextmanager
def _side(server: Server, found: str) -> Iterator[Side]:
    origin = f"127.0.0.1:{server.port}"
    with opened(found, f"http://{origin}/board/", _SCRIPT) as page:
        headers = {"Origin": f"http://{origin}"}
        url = f"ws://{origin}/ws/"
        with connect(url, compression=None, additional_headers=headers) as socket:
            yield Side(server, page, socket, _time_origin(page))


def _slice(sides: list[Side], seconds: float, numbers: "count[int]") -> list[Sample]:
    """Commit to each side in turn; return the medians of each."""
    times: list[list[Sample]] = [[] for _ in sides]
    before, start = [page_meters(side.server, side.page) for side in sides], time.perf_counter()
    for turn in range(max(3, round(_COMMITS * seconds))):
        order = range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides)))
        for index in order:
            times[index].append(sides[index].commit(next(numbers)))
    took = time.perf_counter() - start
    samples = []
    for side, first, each in zip(sides, before, times, strict=True):
        last = page_meters(side.server, side.page)
        used = {name: value - first[name] for name, value in last.items()}
        sample = {name: statistics.median(one[name] for one in each) for name in each[0]}
        samples.append(
            sample
            | {
                "cpu_s_per_1000": 1000 * used["server"] / len(each),
                "server_busy": used["server"] / took,
                "load_busy": used["load"] / took,
                "server_others": others(used, took, "server"),
                "load_others": others(used, took, "load"),
            }
        )
    return samples


def measure(rounds: int, seconds: float, environs: Environs, core: int | None, say: Say) -> Samples:
    """Measure both subjects in each round.

    Args:
        rounds: how many.
        seconds: of a slice, about: each has 10 commits to each subject for every second.
        environs: the environment of each subject.
        core: of the servers; Chromium runs where this process does.
        say: told what is going on, also that Chromium is missing.
    """
    found = program()
    if found is None:
        say("Chromium was not found: what is measured in it is left out")
        return {}
    subjects = [SUBJECTS[name] for name in PIXEL_SUBJECTS]
    samples: Samples = {pixels(name): [] for name in PIXEL_SUBJECTS}
    with ExitStack() as stack:
        servers = stack.enter_context(running(subjects, environs, core))
        sides = [stack.enter_context(_side(servers[name], found)) for name in PIXEL_SUBJECTS]
        numbers = count(os.getpid() * 1000)  # never one that a page shows already
        _slice(sides, 0.0, numbers)  # for what is done once
        for number in range(rounds):
            say(f"COMMIT to pixels, round {number + 1} of {rounds}")
            for name, sample in zip(PIXEL_SUBJECTS, _slice(sides, seconds, numbers), strict=True):
                samples[pixels(name)].append(sample)
    return samples
