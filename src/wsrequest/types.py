"""Aliases and frozen values that several layers share. Pure: standard library only."""

from dataclasses import dataclass

__all__ = ["Frame", "Headers", "Id", "Limits"]

Id = int | str
"""What a client may call a request by (PROTOCOL.md 2.3)."""

Headers = dict[str, str | list[str]]
"""Header names to values; a list where a name occurs more than once."""

Frame = str | bytes
"""One WebSocket message: str is a text frame, bytes a binary one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may use. The fields are settings, see docs/settings.md.

    Sizes are bytes, times are seconds, the rest are counts.
    """

    message_bytes: int = 2**20
    body_bytes: int = 2**26
    in_flight: int = 64
    waiting: int = 256
    part_bytes: int = 2**16
    window_bytes: int = 2**20
    answer_bytes: int = 2**24
    outbound_bytes: int = 2**19
    request_seconds: float = 60.0
    ping_seconds: float = 25.0
    pong_seconds: float = 10.0
    first_request_seconds: float = 60.0
    slow_reader_seconds: float = 30.0
    idle_seconds: float = 3600.0
    session_check_seconds: float = 1800.0
    process_bytes: int = 2**29
    messages_per_second: int = 10_000
