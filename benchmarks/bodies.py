"""Large bodies by plain HTTP, beside gunicorn, and what a slow client costs the others.

A body of 100 MB goes one way while the server's memory is looked at. Then quick requests are timed,
alone and beside a client that takes one KiB of a large response each second.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.clients import HOST, clock
from benchmarks.live import spent
from benchmarks.measure import Environs, Sample, Samples, Say, meters
from benchmarks.report import percentile
from benchmarks.rows import BODY_BYTES, BODY_SUBJECTS, SLOW, Point
from benchmarks.servers import Server, running
from benchmarks.subjects import SUBJECTS, VIEWS

_PIECE = bytes(65536)
_LOOK_SECONDS = 0.02
_QUICK = 1000
_SLOW_BYTES_PER_SECOND = 1024


@contextmanager
def _connected(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def _stream(server: Server) -> None:
    with _connected(server) as connection:
        connection.request("GET", f"/stream/{BODY_BYTES}/")
        response, count = connection.getresponse(), 0
        while piece := response.read(65536):
            count += len(piece)
        assert count == BODY_BYTES, count


def _upload(server: Server) -> None:
    with _connected(server) as connection:
        headers = {"Content-Length": str(BODY_BYTES)}
        body = (_PIECE for _ in range(BODY_BYTES // len(_PIECE)))
        connection.request("POST", "/upload/", body, headers)
        assert connection.getresponse().read() == str(BODY_BYTES).encode()


def _peak_kib(server: Server, is_over: threading.Event, peak: list[int]) -> None:
    while not is_over.wait(_LOOK_SECONDS):
        peak.append(server.memory_kib())


def _measure_body(server: Server, move: Callable[[Server], None]) -> Sample:
    before_kib, is_over, peak = server.memory_kib(), threading.Event(), [0]
    looking = threading.Thread(target=_peak_kib, args=(server, is_over, peak))
    before, start = meters(server), clock()
    looking.start()
    try:
        move(server)
    finally:
        seconds = clock() - start
        is_over.set()
        looking.join()
    used = spent(before, meters(server), seconds, 1)
    return {"body_ms": 1000 * seconds, "peak_kib": max(0, max(peak) - before_kib)} | used


def _measure_quick(server: Server) -> Sample:
    times, before, start = [], meters(server), clock()
    with _connected(server) as connection:
        for _ in range(_QUICK):
            began_at = clock()
            connection.request("GET", VIEWS["trivial"])
            connection.getresponse().read()
            times.append(1000 * (clock() - began_at))
    used = spent(before, meters(server), clock() - start, _QUICK)
    return {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)} | used


@contextmanager
def _slow_client(server: Server) -> Iterator[None]:
    is_over = threading.Event()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((HOST, server.port))
        request = f"GET /stream/{BODY_BYTES}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        connection.sendall(request.encode())

        def read() -> None:
            while not is_over.wait(1.0):
                connection.recv(_SLOW_BYTES_PER_SECOND)

        reading = threading.Thread(target=read)
        reading.start()
        time.sleep(1.0)  # until its response waits for it
        try:
            yield
        finally:
            is_over.set()
            reading.join()


def measure(rounds: int, environs: Environs, core: int | None, say: Say) -> Samples:
    """Measure it on servers of its own.

    Args:
        rounds: how often.
        environs: the environment of each subject.
        core: of the servers; None for anywhere.
        say: told what is going on.
    """
    samples: Samples = {}

    def keep(point: Point, sample: Sample) -> None:
        samples.setdefault(point, []).append(sample)

    with running([SUBJECTS[name] for name in BODY_SUBJECTS], environs, core) as servers:
        for number in range(rounds):
            say(f"bodies, round {number + 1} of {rounds}")
            for name, server in servers.items():
                keep(Point(name, "stream", "100 MB"), _measure_body(server, _stream))
                keep(Point(name, "upload", "100 MB"), _measure_body(server, _upload))
            ours = servers[BODY_SUBJECTS[0]]
            keep(Point(BODY_SUBJECTS[0], "trivial", SLOW[0]), _measure_quick(ours))
            with _slow_client(ours):
                keep(Point(BODY_SUBJECTS[0], "trivial", SLOW[1]), _measure_quick(ours))
    return samples
