"""How many of a lane's threads one source may hold, so that the greedy leave some to the others.

A thread that waits, for an async view or a slow reader, cannot be taken back, and nobody can tell
before whether a job will wait. So what counts is how many threads a source holds, and its share
shrinks with what is left: of n threads, f of them free, it is f²/n. While none waits that is all
of them. A source that has used it up has its further jobs held, in their order.

Owns the sources that are held. Not thread-safe: the lane calls it with its lock held.
"""

import logging

from wsrequest.http.jobs import Source

__all__ = ["Shares"]

logger = logging.getLogger("wsrequest.lanes")

# So many times what one source may hold may all of its group. When they do, one that holds none
# still gets a thread up to the second number, or greedy neighbours would shut it out.
_GROUP, _GROUP_FOR_A_FIRST = 4, 8


class Shares:
    """The shares of one lane.

    Args:
        threads: how many there may be.

    Attributes:
        held: the sources whose jobs wait for their share, the first to wait first.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.held: list[Source] = []

    def has_room(self, source: Source, parked: int) -> bool:
        """Whether a source may hold one thread more.

        k greedy groups, however large, leave about n/(1 + 4k) threads free, and a group that holds
        none may always have one. Of 256 threads there is one for it until a dozen others have taken
        all they may, or thirty that are one source each.

        Args:
            source: whose.
            parked: how many threads wait.
        """
        taken, free = source.group.taken, max(0, self._threads - parked)
        share = free * free / self._threads
        if not source.taken:
            return not taken or taken < _GROUP_FOR_A_FIRST * share
        return source.taken < share and taken < _GROUP * share

    def hold(self, source: Source, parked: int) -> None:
        """Let the jobs of a source wait, until ``release`` returns it.

        Args:
            source: one for which there is no room.
            parked: how many threads wait, for the log.
        """
        if not source.group.is_told:  # once for each, or a client could fill the log
            source.group.is_told = True
            logger.warning(
                "%a holds its share of the threads, of which %s of %s (WSREQUEST_MAX_THREADS) wait "
                "or are lost: its further jobs wait until one of them ends",
                source.group.name,
                parked,
                self._threads,
            )
        self.held.append(source)

    def release(self, parked: int) -> list[Source]:
        """Return the sources that there is room for by now; those without jobs are let go."""
        held, self.held, released = self.held, [], []
        for source in held:
            if not source.jobs:
                source.is_queued = False  # all were withdrawn
            elif self.has_room(source, parked):
                released.append(source)
            else:
                self.held.append(source)
        return released
