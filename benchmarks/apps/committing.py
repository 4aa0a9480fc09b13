"""A process that writes on command, as a management command or a task does.

Each line of its input is one of these, and is answered with a JSON object:

    commit PK N                         one commit
    task PK N                           the same by Celery, which must run beside it
    cost COUNT                          as many commits, and how long each took
    steady RATE SECONDS PAGES FIRST     commits at a rate, over as many rows in turn
    people COUNT                        as many users with a session each
"""

import json
import random
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


def steady(rate: int, seconds: int, pages: int, first: int) -> dict[str, object]:
    """Commit at a rate, each number once; return when each was committed."""
    from benchmarks.committed import write_score

    rows, found = random.sample(range(1, pages + 1), pages), []
    begun = time.perf_counter()
    for index in range(rate * seconds):
        time.sleep(max(0.0, begun + index / rate - time.perf_counter()))
        found.append([first + index, write_score(rows[index % pages], first + index)])
    return {"committed": found, "seconds": time.perf_counter() - begun}


def people(count: int) -> dict[str, object]:
    """Make users, each with a session; return the session keys."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth.models import User

    store = import_module(settings.SESSION_ENGINE).SessionStore
    first = User.objects.count()
    names = [f"user{number}" for number in range(first, first + count)]
    users = User.objects.bulk_create(User(username=name, password="!") for name in names)
    keys = []
    for user in users:
        session = store()
        session["_auth_user_id"] = str(user.pk)
        session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
        session["_auth_user_hash"] = user.get_session_auth_hash()
        session.create()
        keys.append(session.session_key)
    return {"keys": keys}


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
        elif name == "steady":
            answer = steady(*numbers)
        elif name == "people":
            answer = people(*numbers)
        else:
            answer = cost(numbers[0], publishing)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
