"""Programs: what happens in one run of the oracle, drawn from a seed.

A program is rounds of steps, and a step a list that JSON can hold, so that one that fails is
printed, run again and shrunk. Behind each round all is compared.

    ["commit", thread, mode, operations]   a transaction (``writes``) in one of the threads
    ["subscribe", socket, url, patch, language]
    ["cancel", socket, n]                  the n-th of its live requests
    ["resume", socket, n]                  cancel it, and ask again with the tag of what is held
    ["connect", socket, user]              close it, and connect as a user; None: as nobody
    ["log_in", socket, user], ["log_out", socket]
    ["hold", socket], ["read", socket]     it stops to read, it goes on
    ["change", socket, mode, operations]   a transaction in a request, when all others are done
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.oracle.writes import KEYS, MODES, USERS, WRITES

__all__ = ["SOCKETS", "THREADS", "Program", "Round", "draw"]

Step = list[Any]
Round = list[Step]
Program = list[Round]

SOCKETS = 5
THREADS = 3


class Dice(random.Random):
    """Chance, and what was drawn before."""

    favourites: list[str]
    urls: list[str]  # the last that were drawn


URLS: tuple[Callable[[Dice], str], ...] = (
    lambda dice: f"/equal/?kind={dice.randrange(4)}",
    lambda dice: f"/equal/?room={dice.randrange(1, 5)}&kind={dice.randrange(4)}",
    lambda dice: f"/equal/?author={dice.randint(1, KEYS)}",
    lambda dice: f"/equal/?author__boss={dice.randint(1, KEYS)}",
    lambda dice: f"/among/?ids={dice.randint(1, KEYS)},{dice.randint(1, KEYS)}",
    lambda dice: f"/among/?names=p{dice.randrange(4)},p{dice.randrange(4)}",
    lambda dice: f"/ranged/?low={dice.randrange(60)}",
    lambda dice: f"/either/?n={dice.randrange(4)}",
    lambda dice: f"/detail/{dice.randint(1, KEYS)}/",
    lambda dice: dice.choice(["/exists/", "/exists/?not=1"]),
    lambda dice: dice.choice(["/subquery/", "/aggregates/", "/cases/", "/windows/"]),
    lambda dice: f"/authors/?kind={dice.randrange(4)}",
    lambda dice: f"/prefetched/?kind={dice.randrange(4)}",
    lambda dice: f"/team/{dice.randint(1, KEYS)}/",
    lambda dice: f"/shelf/{dice.randint(1, KEYS)}/",
    lambda dice: f"/tagged/t{dice.randrange(4)}/",
    lambda dice: dice.choice(["/notes/", "/notebooks/", "/places/", "/restaurants/", "/odd/"]),
    lambda dice: dice.choice(["/leaves/", f"/leaves/?text={dice.choice('aA')}{dice.randrange(4)}"]),
    lambda dice: f"/accounts/?kind={dice.randrange(2)}&user={dice.randrange(4)}",
    lambda dice: f"/accounts/?label={dice.choice(('PERSON', 'ROBOT'))}",
    lambda dice: dice.choice(["/raw/", "/cursor/", "/cursor/mixed/", "/union/", "/extra/"]),
    lambda dice: dice.choice(["/template/", "/stream/", "/stream/async/"]),
    lambda dice: f"/async/?kind={dice.randrange(4)}",
    lambda dice: dice.choice(["/rest/books/", f"/rest/books/{dice.randint(1, KEYS)}/"]),
    lambda dice: dice.choice(["/mine/", "/own/", "/everybodys/"]),
    lambda dice: dice.choice(["/mine/", "/now-and-then/"]),
    lambda dice: "/private/",
    lambda dice: f"/slow/?kind={dice.randrange(4)}",
    lambda dice: f"/cached/numbers/?n={dice.randrange(3)}",
    lambda dice: dice.choice(["/cached/tags/", "/cached/others/", "/cached/async/"]),
    lambda dice: dice.choice(["/cached/config/", "/cached/page/", "/cached/fragment/"]),
    lambda dice: "/cached/basket/",
    lambda dice: dice.choice(["/public/", "/varied/", "/varied/", "/header/"]),
)


def draw(
    seed: str, commits: int, urls: Sequence[str] = (), most_commits_per_round: int = 60
) -> Program:
    """Return the program of a seed: the same for the same arguments.

    Args:
        seed: any text.
        commits: how many transactions, at least.
        urls: that most live requests are to be for.
        most_commits_per_round: what one transaction leaves stale another may repair, so there are
            rounds of few, too.
    """
    dice = Dice(seed)
    dice.favourites, dice.urls = list(urls), []
    program = [[["connect", n, dice.choice((None, *USERS))] for n in range(SOCKETS)]]
    program[0] += [_subscribe(dice) for _ in range(4 * SOCKETS)]
    while commits > 0:
        count = dice.choice((1, 10, 30, dice.randint(1, most_commits_per_round)))
        steps = [_commit(dice) for _ in range(count)]
        for _ in range(dice.randrange(2 + count // (2 if urls else 5))):
            steps.insert(dice.randrange(len(steps) + 1), _client_step(dice))
        if dice.random() < 0.3:
            mode, operations = _commit(dice)[2:]
            steps.append(["change", dice.randrange(SOCKETS), mode, operations])
        program.append(steps)
        commits -= count
    return program


def _subscribe(dice: Dice) -> Step:
    url = dice.choice(URLS)(dice)
    if dice.favourites and dice.random() < 0.7:
        url = dice.choice(dice.favourites)
    elif dice.urls and dice.random() < 0.3:
        url = dice.choice(dice.urls)  # so that some are shared
    dice.urls = [*dice.urls[-4:], url]
    patch = dice.choice((None, None, "json", "merge"))
    return ["subscribe", dice.randrange(SOCKETS), url, patch, dice.choice(("en", "de"))]


def _client_step(dice: Dice) -> Step:
    socket = dice.randrange(SOCKETS)
    kinds = ("subscribe", "cancel", "resume", "connect", "log_in", "log_out", "hold", "read")
    kind = dice.choices(kinds, (20, 3, 3, 2, 2, 1, 2, 2))[0]
    if kind == "subscribe":
        return _subscribe(dice)
    if kind in ("cancel", "resume"):
        return [kind, socket, dice.randrange(100)]
    if kind == "connect":
        return [kind, socket, dice.choice((None, *USERS))]
    return [kind, socket, dice.choice(USERS)] if kind == "log_in" else [kind, socket]


def _commit(dice: Dice) -> Step:
    mode = dice.choices(MODES, (8, 5, 1, 1, 0.5, 0.5, 0.5))[0]
    return ["commit", dice.randrange(THREADS), mode, _operations(dice, 0)]


def _operations(dice: Dice, depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(dice.choice((1, 1, 2, 3))):
        if depth < 3 and dice.random() < 0.15:
            found.append(["atomic", dice.random() < 0.5, _operations(dice, depth + 1)])
        else:
            found.append([dice.choice(_NAMES), *(dice.randrange(1000) for _ in range(3))])
    return found


_NAMES = sorted(WRITES)
