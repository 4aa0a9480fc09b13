"""Plain HTTP while its workers are replaced, or the server ends: no request is lost."""

import http.client
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.acceptance.servers import HTTP_SECONDS, Server, wait_until

CALLERS, REQUESTS = 6, 60
URLS = [
    "/echo/",
    "/sleep/?seconds=0.02",
    "/sleep/async/?seconds=0.02",
    "/stream/",
    "/load/process/",
]

pytestmark = pytest.mark.slow


def ask(server: Server, url: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HTTP_SECONDS)
    try:
        connection.request("GET", url, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["uvicorn-replaced", "gunicorn-uvicorn"])
def test_workers_that_are_replaced_lose_no_request(serve: Callable[..., Server], kind: str) -> None:
    """Each ends after 60 requests. The socket that listens is the parent's."""
    server = serve(kind)
    processes: Counter[int] = Counter()

    def call(number: int) -> None:
        url = URLS[number % len(URLS)]
        status, body = ask(server, url)
        assert status == 200
        if url == "/load/process/":
            processes[json.loads(body)] += 1
        elif url == "/stream/":
            assert body == b"piece 0\npiece 1\npiece 2\n"

    with ThreadPoolExecutor(CALLERS) as pool:
        for result in pool.map(call, range(CALLERS * REQUESTS)):
            assert result is None
    assert len(processes) > 2


def test_sigterm_under_load_loses_no_request(kind: str, serve: Callable[..., Server]) -> None:
    """Each request that the server has begun is answered. Later connections are refused."""
    server = serve(kind)
    name = uuid4().hex
    answered: Counter[int] = Counter()
    is_ending = threading.Event()

    def call() -> None:
        while not is_ending.is_set():
            answered[ask(server, "/load/process/")[0]] += 1

    def hold(number: int) -> int:
        return ask(server, f"/sleep/?seconds=1.5&name={name}")[0]

    with ThreadPoolExecutor(2 * CALLERS) as pool:
        callers = [pool.submit(call) for _ in range(2)]
        held = [pool.submit(hold, number) for number in range(6)]
        wait_until(lambda: server.get_json(f"/state/?name={name}")["started"] == 6)
        is_ending.set()
        for caller in callers:
            caller.result()
        began_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [request.result() for request in held] == [200] * 6
        assert server.process.wait(HTTP_SECONDS) is not None
    assert time.monotonic() - began_at < HTTP_SECONDS
    assert set(answered) == {200}
