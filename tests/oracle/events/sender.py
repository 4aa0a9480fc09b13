"""A process that sends events. It reads JSON lines, and answers each with a line when it is done.

{"room": "r", "by": "a", "first": 1, "count": 500, "rate": 20}
"""

import json
import sys
import time

import django

PAYLOAD_CHARACTERS = 200
"""Of an event, which is about 300 bytes long then."""


def main() -> None:
    """Send until the input ends."""
    django.setup()
    from wsrequest import push

    print("ready", flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        began = time.monotonic()
        for index in range(given["count"]):
            time.sleep(max(0.0, began + index / given["rate"] - time.monotonic()))
            data = {"by": given["by"], "n": given["first"] + index, "x": "x" * PAYLOAD_CHARACTERS}
            push.send(given["room"], "step", data)
        print("done", flush=True)


if __name__ == "__main__":
    main()
