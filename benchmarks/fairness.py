"""What one client's update costs in time beside another client's thousand live requests.

Both read one row. Each run of the greedy one's views sleeps for ``RUN_SECONDS``. Measured is
the time from COMMIT to the frame at the other client, alone and beside them.
"""

import asyncio
import random

import uvloop

from benchmarks import load
from benchmarks.clients import HOST, Tally, WebSocketConnection, WrongAnswer, clock, text_frame
from benchmarks.live import open_side, spent, written_numbers
from benchmarks.live_rows import FAIRNESS, RUN_SECONDS, fairness
from benchmarks.measure import Environs, Samples, Say, meters
from benchmarks.report import percentile
from benchmarks.servers import Server, running
from benchmarks.subjects import SUBJECTS
from benchmarks.subscribers import payloads

ROW = 14  # of the table
_CONNECTIONS, _EACH = 4, 250
_ADDRESS = "127.0.0.2"  # any of 127.0.0.0/8 is this machine; the victim's is another
_COMMITS = 20
_REST_SECONDS = (0.2, 0.4)


class Greedy(WebSocketConnection):
    """A connection with many live requests of a slow view, each by a URL of its own."""

    def __init__(self, tally: Tally, port: int, pk: int, first: int) -> None:
        super().__init__(tally, port, "/", 1)
        self.frames = [
            text_frame(f'{{"id":{n},"url":"/live/{pk}/slow/{first + n}/","subscribe":true}}')
            for n in range(_EACH)
        ]
        self.came = 0

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        found, self.rest = payloads(data)
        for payload in found:
            if b'"status":200' not in payload:
                raise WrongAnswer(payload[:300])
        self.came += len(found)


async def _open_greedy(tally: Tally, port: int, pk: int) -> list[Greedy]:
    loop, crowd = asyncio.get_running_loop(), list[Greedy]()
    for number in range(_CONNECTIONS):
        _, greedy = await loop.create_connection(
            lambda number=number: Greedy(tally, port, pk, number * _EACH),  # type: ignore[misc]
            HOST, port, local_addr=(_ADDRESS, 0),
        )  # fmt: skip
        await greedy.opened
        greedy.begin()
        crowd.append(greedy)
    end = clock() + 10 * _CONNECTIONS * _EACH * RUN_SECONDS
    while any(greedy.came < _EACH for greedy in crowd):
        if tally.failure is not None:
            raise tally.failure
        if clock() > end:
            raise WrongAnswer("a first version did not come")
        await asyncio.sleep(0.01)
    return crowd


async def _measure(server: Server, rounds: int, say: Say) -> Samples:
    side = await open_side(server, 1)
    greedy: list[Greedy] = []
    samples: Samples = {}
    try:
        for state in FAIRNESS:
            say(f"a victim {state}")
            if state != FAIRNESS[0]:
                greedy = await _open_greedy(side.tally, server.port, side.pk)
            for _ in range(rounds):
                times, before, start = [], meters(side.server), clock()
                for _ in range(_COMMITS):
                    committed, shown = await side.show(next(written_numbers))
                    if not shown:
                        raise WrongAnswer("the victim was not shown a change")
                    times.append(1000 * (shown[0] - committed))
                    await asyncio.sleep(random.uniform(*_REST_SECONDS))
                used = spent(before, meters(side.server), clock() - start, _COMMITS)
                sample = {"p50_ms": percentile(times, 0.5), "last_ms": max(times)}
                samples.setdefault(fairness(state), []).append(sample | used)
    finally:
        await load.close([*side.crowd, side.writer, *greedy])
    return samples


def measure(rounds: int, environs: Environs, core: int | None, say: Say) -> Samples:
    """Measure it on a server of its own.

    Args:
        rounds: how often, of 20 commits each.
        environs: the environment of each subject.
        core: of the server; None for anywhere.
        say: told what is going on.
    """
    with running([SUBJECTS["ours"]], environs, core) as servers:
        return uvloop.run(_measure(servers["ours"], rounds, say))
