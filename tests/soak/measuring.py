"""What a server holds while it is loaded: memory, threads and open files, sampled.

Owns the samples and what is said of them. Linux only: it reads /proc.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.servers import Server

__all__ = ["Sample", "Samples", "sample"]


@dataclass(frozen=True)
class Sample:
    """One look at the server's processes; ``seconds`` is ``time.monotonic()``."""

    seconds: float
    memory_bytes: int
    threads: int
    files: int


def sample(server: Server) -> Sample:
    threads = files = 0
    for pid in server.pids():
        with suppress(FileNotFoundError):
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
            files += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(time.monotonic(), server.memory_bytes(), threads, files)


class Samples(list[Sample]):
    """The samples of one run, in order."""

    def growth_bytes(self) -> float:
        """How much memory grew over the second half, by the line of best fit through it."""
        half = self[len(self) // 2 :]
        if len(half) < 3:
            return 0.0
        middle = sum(s.seconds for s in half) / len(half)
        mean = sum(s.memory_bytes for s in half) / len(half)
        above = sum((s.seconds - middle) * (s.memory_bytes - mean) for s in half)
        below = sum((s.seconds - middle) ** 2 for s in half)
        return above / below * (half[-1].seconds - half[0].seconds)

    def at(self, share: float) -> Sample:
        """The sample at a share of the run: 0 is the first, 1 the last."""
        return self[round(share * (len(self) - 1))]
