"""A process that writes on command, as a management command or a task does.

Each line of its input is "commit PK N", "cost COUNT" or "task PK N". The answer is a JSON object. A
task is given to Celery, which must run beside it.
"""

import json
import sys
import time
from typing import Any

import django


def measure_publishing() -> list[float]:
    """Note the seconds of each call of ``publish`` from now on."""
    from wsrequest.bus.broker import BrokerBus

    publish, seconds = BrokerBus.publish, list[float]()

    def measured(bus: Any, topic: Any, message: Any) -> None:
        begun = time.perf_counter()
        publish(bus, topic, message)
        seconds.append(time.perf_counter() - begun)

    BrokerBus.publish = measured  # type: ignore[method-assign, assignment]
    return seconds


def cost(count: int, publishing: list[float]) -> dict[str, object]:
    """Write a row some times; return the seconds of each write and of what it published."""
    from benchmarks.models import Score

    score, seconds = Score.objects.get(pk=1), []
    publishing.clear()
    for n in range(count):
        score.n = n
        begun = time.perf_counter()
        score.save(update_fields=["n"])
        seconds.append(time.perf_counter() - begun)
        time.sleep(0.0005)  # the thread that sends gets its turn, as between requests
    return {"seconds": seconds, "publishing": list(publishing)}


def main() -> None:
    """Answer until the input ends."""
    publishing = measure_publishing()
    django.setup()
    from benchmarks.committed import write_score

    for line in sys.stdin:
        name, *words = line.split()
        numbers = [int(word) for word in words]
        if name == "commit":
            answer: dict[str, object] = {"committed": write_score(*numbers)}
        elif name == "task":
            from benchmarks.apps.tasks import write

            committed = write.delay(*numbers).get(timeout=60)
            answer = {"committed": committed}
        else:
            answer = cost(numbers[0], publishing)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
