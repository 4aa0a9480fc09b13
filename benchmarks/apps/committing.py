"""A process that writes on command, as a management command or a task does.

Each line of its input is "commit PK N" or "cost COUNT". The answer is a JSON object.
"""

import json
import sys
import time
from typing import Any

import django


def main() -> None:
    """Answer until the input ends."""
    django.setup()
    from django.apps import apps

    from benchmarks.models import Score

    for line in sys.stdin:
        name, *numbers = line.split()
        if name == "commit":
            pk, n = map(int, numbers)
            Score.objects.filter(pk=pk).update(n=n)
            answer: dict[str, object] = {"committed": time.perf_counter()}
        else:
            score, seconds = Score.objects.get(pk=1), []
            for n in range(int(numbers[0])):
                score.n = n
                begun = time.perf_counter()
                score.save(update_fields=["n"])
                seconds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            config: Any = apps.get_app_config("wsrequest")
            is_sent = config.live.bus.flush(1.0)
            answer = {
                "seconds": seconds,
                "is_sent": is_sent,
                "flush_seconds": time.perf_counter() - begun,
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
