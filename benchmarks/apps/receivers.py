"""As many receivers of the bus as there would be processes, in one process.

Its argument is their number. Each line of its input is answered with how many commits all of them
have received so far.
"""

import json
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

import django

Calls = SimpleQueue[Callable[[], None]]


def _call(calls: Calls) -> None:
    while True:
        calls.get()()


def main() -> None:
    """Receive until the input ends."""
    django.setup()
    from wsrequest.bus.codec import CHANGES
    from wsrequest.bus.open import open_bus
    from wsrequest.conf import conf

    came: list[None] = []
    calls: Calls = SimpleQueue()
    for _ in range(int(sys.argv[1])):
        bus = open_bus(conf.BUS, conf.bus_secrets, conf.database)
        bus.subscribe(
            CHANGES,
            lambda position, message: came.append(None),
            lambda: None,
            post=calls.put,
        )
    threading.Thread(target=_call, args=(calls,), daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps({"came": len(came)}), flush=True)


if __name__ == "__main__":
    main()
