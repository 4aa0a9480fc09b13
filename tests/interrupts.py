"""SIGINT's default action for every server that a test starts, and SIGTERM that cleans up.

A program that a shell starts with ``&`` or ``nohup`` has SIGINT ignored, and so has what it starts
in turn: a server would not see the Ctrl-C that a test sends it.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

__all__ = ["ended_by_signals", "heed_interrupts"]


def heed_interrupts() -> None:
    """Let SIGINT interrupt this process; what it starts from then on has the default action."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A handler does not pass through exec: the child begins with the default action.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that servers and files are cleaned up.

    An application that is served in this process leaves both signals alone. It would hold them back
    for a server that shuts down by them, and there is none.

    Raises:
        SystemExit: the block was interrupted.
    """
    from wsrequest.server.drain import Drain

    heed_interrupts()
    previous = signal.signal(
        signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT)
    )
    try:
        with patch.object(Drain, "install", return_value=False):
            yield
    except KeyboardInterrupt:
        raise SystemExit("interrupted") from None
    finally:
        signal.signal(signal.SIGTERM, previous)
