"""SIGINT's default action for every server that a test starts.

A program that a shell starts with ``&`` or ``nohup`` has SIGINT ignored, and so has what it starts
in turn: a server would not see the Ctrl-C that a test sends it.
"""

import signal

__all__ = ["heed_interrupts"]


def heed_interrupts() -> None:
    """Let SIGINT interrupt this process; what it starts from then on has the default action."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A handler does not pass through exec: the child begins with the default action.
        signal.signal(signal.SIGINT, signal.default_int_handler)
