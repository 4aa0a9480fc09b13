"""Guesses whether several processes serve the project, from how this one was started.

Nothing tells a server process about the others. Its command line does, with every server that
starts workers by itself.
"""

from collections.abc import Mapping, Sequence

__all__ = ["worker_count"]

_OPTIONS = ("--workers", "-w")  # of uvicorn, gunicorn, hypercorn, granian and runwebsockets


def worker_count(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return how many workers a command line asks for. 1 if it does not say.

    Args:
        arguments: the command line. Worker processes have that of their parent.
        environ: environment variables. uvicorn and gunicorn read WEB_CONCURRENCY.
    """
    value = environ.get("WEB_CONCURRENCY", "1")
    for position, argument in enumerate(arguments):
        name, is_joined, joined = argument.partition("=")
        if name in _OPTIONS:
            value = joined if is_joined else "".join(arguments[position + 1 : position + 2])
        elif argument.startswith("-w") and argument[2:].isdecimal():
            value = argument[2:]
    return max(1, int(value)) if value.isdecimal() else 1
