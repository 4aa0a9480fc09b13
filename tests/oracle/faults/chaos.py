"""The run under faults: writers write, a fault happens, and then all is compared.

Two servers, two writers and a bus are real processes. Only the bus may tell a server what the
writers commit: rechecks are off. After each fault every live body must be what a fresh GET gives,
within a bound.

A writer that is killed between its commit and its message is not among the faults, nor one whose
last message was lost, before a heartbeat shows it. Only a recheck heals that (docs/processes.md).
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.faults.site import KINDS, Site
from tests.oracle.faults.watchers import Watcher

__all__ = ["Result", "run"]

SECONDS = 5.0  # within which all must be right again
_LATE_SECONDS = 60.0  # to tell what is slow from what is lost
_WATCHERS = 3  # of each server
_LIVES = 4  # of each watcher
_FAULTS = ("nothing", "bus_kill", "bus_freeze", "server_kill", "server_freeze", "writer_kill")
_RELAY_FAULTS = ("relay_kill", "relay_freeze")
_UNSTEADY = ("/now-and-then/", "/slow/", "/chance/")  # fail, or take their time, on purpose


@dataclass
class Result:
    """What was done, and how it ended.

    Attributes:
        slowest: the most seconds that a comparison of all bodies took.
        divergence: what did not hold, or None.
    """

    commits: int = 0
    compared: int = 0
    versions: int = 0
    slowest: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    divergence: str | None = None

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.commits} commits, {self.compared} live bodies compared, "
            f"{self.versions} versions sent, all right after {self.slowest:.1f} s at most; {faults}"
        )


def run(
    broker: str,
    seed: str,
    seconds: float,
    *,
    bug: str | None = None,
    within: float = SECONDS,
    faults: tuple[str, ...] = (),
    told: Callable[[str], None] = lambda line: None,
) -> Result:
    """Run the site on one bus.

    Args:
        broker: one of ``KINDS``.
        seed: of everything that is drawn. Processes meet by chance all the same.
        seconds: how long.
        bug: a key of ``bugs.BUGS``, to plant in the servers.
        within: how long a live body may differ after a fault.
        faults: only these. All if empty.
        told: hears of each round.
    """
    with Site(broker, seed, bug) as site:
        return _Run(site, seed, within, faults, told).run(seconds)


class _Run:
    def __init__(
        self,
        site: Site,
        seed: str,
        within: float,
        faults: tuple[str, ...],
        told: Callable[[str], None],
    ) -> None:
        self._site, self._dice, self._within, self._told = site, random.Random(seed), within, told
        self._result = Result()
        self._watchers: list[Watcher] = []
        self._cookies: list[str] = [""]
        self._faults = {name: getattr(self, f"_{name}") for name in faults or _FAULTS}

    def run(self, seconds: float) -> Result:
        _make_world(self._site, self._cookies)
        self._site.start()
        if self._site.relays and len(self._faults) > 1:
            self._faults |= {name: getattr(self, f"_{name}") for name in _RELAY_FAULTS}
        for server in self._site.servers:
            for _ in range(_WATCHERS):
                self._watch(server.port, self._dice.choice(self._cookies), [])
        self._compare("the start")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._result.divergence is None:
            name = self._dice.choice(list(self._faults))
            self._result.faults[name] += 1
            self._write()
            self._faults[name]()
            self._write()
            self._compare(name)
            self._told(f"{name}: {self._result}")
        for watcher in self._watchers:
            watcher.close()
        return self._result

    # Faults. Each ends with all processes at work.

    def _nothing(self) -> None:
        pass

    def _bus_kill(self) -> None:
        self._site.broker.kill()
        self._write()
        self._site.broker.start()

    def _bus_freeze(self) -> None:
        self._site.broker.freeze()
        if not self._site.is_database:  # nobody can write to a database that stands still
            self._write()
        time.sleep(self._dice.choice((0.5, 4.0)))
        self._site.broker.thaw()

    def _server_kill(self) -> None:
        server = self._dice.choice(self._site.servers)
        server.kill()
        self._write()
        server.restart()
        server.wait()
        for watcher in [each for each in self._watchers if each.port == server.port]:
            watcher.close()
            self._watchers.remove(watcher)
            urls = [live.url for live in watcher.lives.values()]
            self._watch(server.port, watcher.cookie, urls)

    def _server_freeze(self) -> None:
        server = self._dice.choice(self._site.servers)
        server.freeze()
        self._write()
        time.sleep(self._dice.choice((0.5, 4.0)))
        server.thaw()

    def _writer_kill(self) -> None:
        """Its messages have left."""
        writer = self._dice.choice(self._site.writers)
        writer.settle()
        writer.kill()
        writer.restart()
        writer.wait()

    def _relay_kill(self) -> None:
        (relay,) = self._site.relays
        relay.kill()
        self._write()
        relay.restart()
        relay.wait()

    def _relay_freeze(self) -> None:
        (relay,) = self._site.relays
        relay.freeze()
        self._write()
        time.sleep(self._dice.choice((0.5, 4.0)))
        relay.thaw()

    # Writers and watchers.

    def _write(self) -> None:
        from tests.oracle.programs import Dice, _commit

        dice = Dice(str(self._dice.random()))
        with ThreadPoolExecutor(len(self._site.writers)) as pool:
            running = [
                pool.submit(writer.write, [_commit(dice)[2:] for _ in range(dice.randint(1, 15))])
                for writer in self._site.writers
            ]
            self._result.commits += sum(each.result(120) for each in running)

    def _watch(self, port: int, cookie: str, urls: list[str]) -> None:
        watcher = Watcher(port, cookie)
        self._watchers.append(watcher)
        for url in urls or [self._url() for _ in range(_LIVES)]:
            watcher.subscribe(url)

    def _url(self) -> str:
        from tests.oracle.programs import URLS, Dice

        dice = Dice(str(self._dice.random()))
        while (url := dice.choice(URLS)(dice)).startswith(_UNSTEADY):
            pass
        return url

    def _compare(self, after: str) -> None:
        began = time.monotonic()
        deadline = began + self._within
        for watcher in self._watchers:
            for number, live in list(watcher.lives.items()):
                left = max(0.5, deadline - time.monotonic())
                difference = watcher.difference(live, left)
                self._result.compared += 1
                if difference is not None:
                    is_lost = watcher.difference(live, _LATE_SECONDS) is not None
                    seconds = time.monotonic() - began
                    heals = "not right" if is_lost else "right"
                    self._result.divergence = (
                        f"after {after}, {heals} after {seconds:.1f} s: {difference}"
                    )
                    return
                if live.end is not None and not watcher.is_closed:
                    del watcher.lives[number]
                    watcher.subscribe(self._url())
            self._result.versions += watcher.versions
            watcher.versions = 0
        self._result.slowest = max(self._result.slowest, time.monotonic() - began)


def _make_world(site: Site, cookies: list[str]) -> None:
    """Make the tables and rows in this process, which has the settings of the site."""
    import os

    import django

    os.environ.update(site.environ())
    django.setup()
    from tests.oracle.world import cookie_of, fill, make_tables
    from tests.oracle.writes import USERS

    make_tables()
    fill()
    cookies += [cookie_of(name) for name in USERS]


def main() -> int:
    """Run it and print what happened; 1 when something diverged, or a planted bug was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bus", choices=KINDS, default="redis")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--within", type=float, default=SECONDS)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--bug", help="plant a bug of tests/oracle/faults/bugs.py")
    parser.add_argument("--only", help="names of faults, with commas")
    given: Any = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    only = tuple(given.only.split(",")) if given.only else ()
    result = run(
        given.bus, given.seed, given.seconds,
        bug=given.bug, within=given.within, faults=only, told=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(result)
    if result.divergence is not None:
        print(f"DIVERGENCE {result.divergence}")
    return 0 if (result.divergence is None) == (given.bug is None) else 1


if __name__ == "__main__":
    sys.exit(main())
