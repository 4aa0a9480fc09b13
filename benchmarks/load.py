"""The load generator: N requests in flight, over HTTP keep-alive or over sockets, for some seconds.

Prints one JSON object: requests per second and the median latency in milliseconds.
"""

import argparse
import asyncio
import json
import statistics
import time

from websockets.asyncio.client import connect


async def http_client(port: int, path: str, end: float, latencies: list[float]) -> None:
    """One keep-alive connection, one request at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    while (start := time.perf_counter()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lower = head.lower()
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - start)
    writer.close()


async def ws_client(
    port: int, path: str, in_flight: int, end: float, latencies: list[float]
) -> None:
    """One socket with some requests in flight."""
    async with connect(f"ws://127.0.0.1:{port}/ws/", compression=None, max_queue=None) as socket:
        started: dict[int, float] = {}

        async def send(id: int) -> None:
            started[id] = time.perf_counter()
            await socket.send(f'{{"id":{id},"url":"{path}"}}')

        for id in range(in_flight):
            await send(id)
        next_id = in_flight
        while started:
            frame = await socket.recv()
            assert '"status":200' in frame[:60], frame
            id = int(frame[6 : frame.index(",")])
            latencies.append(time.perf_counter() - started.pop(id))
            if time.perf_counter() < end:
                await send(next_id)
                next_id += 1


async def run(
    kind: str, port: int, path: str, connections: int, in_flight: int, seconds: float
) -> dict[str, float]:
    """Run the clients; return their figures."""
    latencies: list[float] = []
    start = time.perf_counter()
    end = start + seconds
    if kind == "http":
        clients = [http_client(port, path, end, latencies) for _ in range(connections)]
    else:
        clients = [ws_client(port, path, in_flight, end, latencies) for _ in range(connections)]
    await asyncio.gather(*clients)
    elapsed = time.perf_counter() - start
    return {"rps": len(latencies) / elapsed, "p50_ms": statistics.median(latencies) * 1000}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["http", "ws"])
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    a = parser.parse_args()
    print(
        json.dumps(asyncio.run(run(a.kind, a.port, a.path, a.connections, a.in_flight, a.seconds)))
    )
