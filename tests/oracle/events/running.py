"""Many clients in one room on two servers: each event comes once, in order, or is known to be lost.

Half of the events are sent by a process of its own, and half by a view of one server. With
``--fault`` the bus is killed in the middle and started again. Then a client may lack events, but
none of which it was not told. With ``--move`` each client leaves now and then, and comes back to
the other server a moment later. With ``--restart`` both servers are killed in the middle, and all
clients come back to new ones. With ``--kept`` the bus keeps the events for those.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import connect

from tests.oracle.events.listeners import Account, Crowd
from tests.oracle.events.sender import PAYLOAD_CHARACTERS
from tests.oracle.faults.site import KINDS, Process, Relay, Server, Site

__all__ = ["Result", "run"]

_APPLICATION = "tests.oracle.events.asgi:application"
_SENDERS = ("process", "view")
_DOWN_SECONDS = 4.0  # longer than it takes to notice
_STAY_SECONDS = 2.0  # that a client which moves stays at a server, on average
_UNORDERED = ("nats",)  # puts the messages of different senders into no order
_BACK_SECONDS = 1.0  # within which all clients come back after a restart
_QUIET_SECONDS = 15.0  # without a frame, when nothing more is expected


@dataclass
class Result:
    """What became of all events at all clients."""

    clients: int
    sent: dict[str, int]
    accounts: list[Account]
    seconds: float
    is_ordered: bool

    @property
    def expected(self) -> int:
        """How many deliveries there would be without a loss."""
        return self.clients * sum(self.sent.values())

    def count(self, name: str) -> int:
        """Return the sum of a figure of the accounts."""
        return sum(getattr(account, name) for account in self.accounts)

    @property
    def silent(self) -> int:
        """How many deliveries are missing without a notice."""
        return sum(end - start for each in self.accounts for _, start, end in each.silent)

    @property
    def missing(self) -> int:
        """How many deliveries are missing."""
        return self.silent + self.count("told")

    def __str__(self) -> str:
        notified = sum(account.notices > 0 for account in self.accounts)
        return (
            f"{self.count('received'):,} of {self.expected:,} deliveries to {self.clients:,} "
            f"clients in {self.seconds:.1f} s: {self.missing:,} lost, {self.silent:,} of them "
            f"silently, {self.count('doubled'):,} doubled, {self.count('disordered'):,} out of "
            f"order, {self.count('ignored'):,} repeated and ignored. {notified:,} clients were "
            f"told of a loss, {self.count('moves'):,} came back. Orders in which all came: "
            f"{len(self.orders)}"
        )

    @property
    def orders(self) -> set[int]:
        """The orders in which those clients got the events who got all of them."""
        total = sum(self.sent.values())
        return {account.order for account in self.accounts if account.received == total}

    def failure(self) -> str | None:
        """Return what must never be, or None."""
        wrong = {name: self.count(name) for name in ("doubled", "disordered")}
        wrong["silent"] = self.silent
        wrong["orders"] = self.is_ordered and max(0, len(self.orders) - 1)
        return str(wrong) if any(wrong.values()) else None


class _Site(Site):
    """Two servers, a process that sends, the bus, and maybe a relay."""

    sender: Process
    is_kept = False

    def environ(self, **changes: str) -> dict[str, str]:
        kept = {"ORACLE_KEPT": "1"} if self.is_kept else {}
        module = "tests.oracle.events.settings"
        return super().environ(DJANGO_SETTINGS_MODULE=module, **kept, **changes)

    def start(self) -> None:
        command = [sys.executable, "-m", "django", "migrate", "contenttypes", "--verbosity=0"]
        subprocess.run(command, env=self.environ(), check=True)
        bug = {"ORACLE_BUG": self._bug} if self._bug else {}
        self.servers = [Server(self.environ(**bug), self._log, _APPLICATION) for _ in range(2)]
        if self._kind == "relay":
            self.relays = [Relay(self.environ(), self._log)]
        command = [sys.executable, "-m", "tests.oracle.events.sender"]
        self.sender = Process(command, self.environ(), self._log, pipes=True)
        self._stack.callback(self.sender.kill)
        waiting: list[Server | Relay] = [*self.servers, *self.relays]
        for process in waiting:
            process.wait()
        self.ask_sender(None)

    def tell_sender(self, **given: Any) -> None:
        """Have the process send."""
        assert self.sender.process.stdin is not None
        self.sender.process.stdin.write(json.dumps(given).encode() + b"\n")
        self.sender.process.stdin.flush()

    def ask_sender(self, given: dict[str, Any] | None) -> None:
        """Have the process send, and wait until it has."""
        if given is not None:
            self.tell_sender(**given)
        assert self.sender.process.stdout is not None
        assert self.sender.process.stdout.readline(), "the process that sends has ended"


async def _send_by_view(port: int, room: str, first: int, count: int, rate: float) -> None:
    uri = f"ws://127.0.0.1:{port}/ws/"
    async with connect(uri, compression=None, ping_interval=None) as socket:
        began = time.monotonic()
        for index in range(count):
            await asyncio.sleep(began + index / rate - time.monotonic())
            data = {"by": "view", "n": first + index, "x": "x" * PAYLOAD_CHARACTERS}
            request = {"id": 1, "method": "POST", "url": f"/room/{room}/", "data": data}
            await socket.send(json.dumps(request))
            answer = json.loads(await asyncio.wait_for(socket.recv(), 60))
            assert answer["status"] == 204, answer


class _Run:
    def __init__(self, site: _Site, clients: int, messages: int, rate: float, bus: str) -> None:
        self._site, self._clients, self._rate = site, clients, rate / len(_SENDERS)
        self._bus = bus
        self._sent = dict.fromkeys(_SENDERS, messages // len(_SENDERS))
        self._crowd = Crowd("crowd")
        self._is_over = False

    async def run(self, *, is_killed: bool, is_moving: bool, is_restarted: bool) -> Result:
        for index, server in enumerate(self._site.servers):
            share = self._clients // 2 + (index < self._clients % 2)
            await self._crowd.open(server.port, share)
        await self._open_the_way()
        began = time.monotonic()
        senders = self._senders(self._sent)
        if is_restarted:
            senders[1].close()
            senders[1] = self._send_around_a_restart()
        sending = asyncio.gather(*senders)
        moving = asyncio.gather(*map(self._move, range(self._clients * is_moving)))
        if is_killed:
            await asyncio.sleep(self._sent["view"] / self._rate / 3)
            await asyncio.to_thread(self._site.broker.kill)
            await asyncio.sleep(_DOWN_SECONDS)
            await asyncio.to_thread(self._site.broker.start)
        await sending
        self._is_over = True
        await moving
        await self._settle()
        seconds = time.monotonic() - began
        self._crowd.close()
        accounts = [listener.account for listener in self._crowd.listeners]
        for account in accounts:
            account.end(self._sent)
        is_ordered = self._bus not in _UNORDERED
        return Result(self._clients, self._sent, accounts, seconds, is_ordered)

    async def _move(self, index: int) -> None:
        """Move a client from server to server until all is sent."""
        chance = random.Random(index)
        await asyncio.sleep(chance.uniform(0, 2 * _STAY_SECONDS))
        while not self._is_over:
            at = self._crowd.listeners[index].port
            (to,) = [server.port for server in self._site.servers if server.port != at]
            await self._crowd.move(index, to, chance.uniform(0, 1))
            await asyncio.sleep(chance.uniform(0, 2 * _STAY_SECONDS))

    def _senders(self, counts: dict[str, int], first: int = 1) -> list[Any]:
        room, rate = self._crowd.room, self._rate
        given = {"room": room, "by": "process", "first": first, "rate": rate}
        return [
            asyncio.to_thread(self._site.ask_sender, {**given, "count": counts["process"]}),
            _send_by_view(self._site.servers[0].port, room, first, counts["view"], rate),
        ]

    async def _send_around_a_restart(self) -> None:
        """Have the view send half, restart both servers, and have it send the rest.

        The process goes on sending, so that there are events while no server runs.
        """
        crowd, servers, half = self._crowd, self._site.servers, self._sent["view"] // 2
        await _send_by_view(servers[0].port, crowd.room, 1, half, self._rate)
        crowd.is_down = True
        for server in servers:
            await asyncio.to_thread(server.kill)
        for server in servers:
            server.restart()
        for server in servers:
            await asyncio.to_thread(server.wait)
        crowd.is_down = False
        chance = random.Random("restart")
        await asyncio.gather(
            *(
                crowd.move(index, listener.port, chance.uniform(0, _BACK_SECONDS))
                for index, listener in enumerate(crowd.listeners)
            )
        )
        await _send_by_view(
            servers[0].port, crowd.room, half + 1, self._sent["view"] - half, self._rate
        )

    async def _open_the_way(self) -> None:
        """Send until all get what both send: a process that begins has first to reach the bus."""
        none = dict.fromkeys(_SENDERS, 0)
        accounts = [listener.account for listener in self._crowd.listeners]
        for _ in range(60):
            await asyncio.gather(*self._senders(dict.fromkeys(_SENDERS, 1), first=0))
            if await self._crowd.until(lambda: all(each.has(none) for each in accounts), 1):
                break
        else:
            raise AssertionError("not all servers get what is sent")
        for account in accounts:
            account.notices = 0

    async def _settle(self) -> None:
        """Wait until all have everything, or until nothing has come for a while."""
        crowd, loop = self._crowd, asyncio.get_running_loop()
        frames, since = crowd.frames, loop.time()
        while not all(listener.account.has(self._sent) for listener in crowd.listeners):
            if crowd.failure is not None:
                raise crowd.failure
            await asyncio.sleep(0.2)
            if crowd.frames != frames:
                frames, since = crowd.frames, loop.time()
            elif loop.time() - since > _QUIET_SECONDS:
                return
        # What is doubled comes late, and so does a notice.
        await asyncio.sleep(2)


def run(
    bus: str, clients: int, messages: int, rate: float, *, is_killed: bool = False,
    is_moving: bool = False, is_restarted: bool = False, is_kept: bool = False,
    bug: str | None = None,
) -> Result:  # fmt: skip
    """Run it on one bus.

    Args:
        bus: one of ``KINDS``.
        clients: half of them on each server.
        messages: half of them from each sender.
        rate: messages a second, of both together.
        is_killed: whether the bus is killed after a third, and started again.
        is_moving: whether clients leave and come back to the other server.
        is_restarted: whether both servers are killed and started again.
        is_kept: whether the bus keeps events.
        bug: a key of ``bugs.BUGS``, to plant in the servers.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _Site(bus, "", bug) as site:
        site.is_kept = is_kept
        site.start()
        try:
            run = _Run(site, clients, messages, rate, bus)
            faults = {"is_killed": is_killed, "is_restarted": is_restarted}
            return asyncio.run(run.run(is_moving=is_moving, **faults))
        except BaseException:
            print(site.log()[-3000:], file=sys.stderr)
            raise


def main() -> int:
    """Run it and print what happened; 1 if something happened that must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.events", description=__doc__)
    parser.add_argument("--bus", default=",".join(KINDS), help="names, with commas")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=40.0, help="messages a second")
    parser.add_argument("--fault", action="store_true", help="kill the bus in the middle")
    parser.add_argument("--move", action="store_true", help="clients go from server to server")
    parser.add_argument("--restart", action="store_true", help="kill both servers in the middle")
    parser.add_argument("--kept", action="store_true", help="have the bus keep events")
    parser.add_argument("--bug", help="plant a bug of tests/oracle/events/bugs.py")
    given = parser.parse_args()
    failed = False
    for bus in given.bus.split(","):
        config = given.clients, given.messages, given.rate
        result = run(
            bus,
            *config,
            is_killed=given.fault,
            is_moving=given.move,
            is_restarted=given.restart,
            is_kept=given.kept,
            bug=given.bug,
        )
        load = f"load average {os.getloadavg()[0]:.1f}"
        print(f"{bus}{', killed and restarted' * given.fault}: {result} ({load})", flush=True)
        failure = result.failure()
        can_be_told = given.fault or (given.move and bus in _UNORDERED)
        can_be_told |= given.restart and not given.kept
        if failure is None and result.missing and not can_be_told:
            failure = f"{result.missing} lost"
        if failure is not None:
            print(f"FAILED {failure}")
            failed = True
    return int(failed)
