"""The frame parser, compared with a full implementation of RFC 6455."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.uri import parse_uri

from wsrequest.protocol.frame_parser import MAX_PLAIN_BYTES, FrameParser, join
from wsrequest.types import Frame

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE
Seen = list[tuple[Opcode, bytes]]


class Full:
    """A server's side by ``websockets``, which is fed with bytes and tells its frames."""

    def __init__(self) -> None:
        self.protocol = Protocol(SERVER, state=OPEN, max_size=None)

    def receive(self, data: bytes) -> Seen:
        try:
            self.protocol.receive_data(data)
        except EOFError:  # it has failed the connection before
            return []
        events = self.protocol.events_received()
        return [(each.opcode, bytes(each.data)) for each in events]  # type: ignore[union-attr]

    @property
    def has_failed(self) -> bool:
        return self.protocol.parser_exc is not None


class Line:
    """A cutter with a full implementation behind it; what both tell, in order."""

    def __init__(self, answers: Iterable[bool] = (), max_bytes: int = 2**20) -> None:
        self.full, self.seen, self.plain = Full(), Seen(), 0
        self.answers = iter(answers)
        self.cutter = FrameParser(max_bytes, self.take, self.leave)

    def take(self, message: Frame) -> bool:
        if not next(self.answers, True):
            return False
        self.plain += 1
        opcode, payload = (
            (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        )
        self.seen.append((opcode, payload))
        return True

    def leave(self, data: bytes) -> None:
        assert data
        self.seen += self.full.receive(data)


def of_client(opcode: Opcode, payload: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    return WebSocketFrame(opcode, payload, fin).serialize(mask=mask)


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]


payloads = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([125, 126, 127, 65535, 65536]).map(lambda size: b"x" * size),
)
controls = st.builds(of_client, st.sampled_from([PING, PONG]), st.binary(max_size=125))
wholes = st.builds(of_client, st.sampled_from([TEXT, BINARY]), payloads)


@st.composite
def fragments(draw: st.DrawFn) -> bytes:
    """A message in several frames, with control frames between them."""
    parts = draw(st.lists(payloads, min_size=2, max_size=4))
    found = []
    for number, part in enumerate(parts):
        opcode = draw(st.sampled_from([TEXT, BINARY])) if number == 0 else CONT
        found.append(of_client(opcode, part, fin=number == len(parts) - 1))
        found.append(draw(st.one_of(st.just(b""), controls)))
    return b"".join(found)


lines = st.lists(st.one_of(wholes, wholes, controls, fragments()), max_size=6).map(b"".join)
sizes = st.lists(st.integers(1, 40), max_size=20)


@given(lines, sizes, st.lists(st.booleans(), max_size=8))
def test_a_cutter_with_a_full_implementation_behind_it_tells_what_that_alone_would(
    data: bytes, sizes: list[int], answers: list[bool]
) -> None:
    line, alone, expected = Line(answers), Full(), Seen()
    for piece in in_pieces(data, sizes):
        line.cutter.receive(piece)
        expected += alone.receive(piece)
    assert line.seen == expected
    assert line.full.has_failed == alone.has_failed


@given(
    st.lists(st.one_of(wholes, st.binary(max_size=12)), max_size=5).map(b"".join),
    sizes,
)
def test_whatever_comes_is_judged_by_the_full_implementation(data: bytes, sizes: list[int]) -> None:
    line, alone, expected = Line(), Full(), Seen()
    for piece in in_pieces(data, sizes):
        line.cutter.receive(piece)
        expected += alone.receive(piece)
    if alone.has_failed and line.full.has_failed:
        assert line.seen[: len(expected)] == expected
    elif not alone.has_failed:
        assert line.seen == expected[: len(line.seen)]
        assert not line.full.has_failed


@pytest.mark.parametrize(
    ("frame", "is_plain"),
    [
        (of_client(TEXT, b"abc"), True),
        (of_client(BINARY, b"\xff"), True),
        (of_client(TEXT, b""), True),
        (of_client(TEXT, b"x" * MAX_PLAIN_BYTES), True),
        (of_client(TEXT, b"x" * (MAX_PLAIN_BYTES + 1)), False),
        (of_client(TEXT, b"\xff"), False),
        (of_client(TEXT, b"abc", fin=False), False),
        (of_client(PING, b"abc"), False),
        (of_client(CLOSE, b"\x03\xe8"), False),
        (of_client(TEXT, b"abc", mask=False), False),
        (b"\xc1" + of_client(TEXT, b"abc")[1:], False),
        (b"\x83" + of_client(TEXT, b"abc")[1:], False),
    ],
    ids=(
        "text binary empty largest too-large no-utf-8 fragment ping close unmasked extension opcode"
    ).split(),
)
def test_only_whole_messages_of_moderate_size_are_plain(frame: bytes, is_plain: bool) -> None:
    taken: list[Frame] = []
    left: list[bytes] = []
    cutter = FrameParser(2**20, lambda message: taken.append(message) is None, left.append)
    cutter.receive(frame)
    assert len(taken) == is_plain
    assert left == ([] if is_plain else [frame])


def test_a_limit_below_that_of_plain_frames_holds() -> None:
    line = Line(max_bytes=3)
    line.cutter.receive(of_client(TEXT, b"abc") + of_client(TEXT, b"abcd"))
    assert line.plain == 1
    assert line.seen == [(TEXT, b"abc"), (TEXT, b"abcd")]


@pytest.mark.parametrize("between", [b"", of_client(PING, b"")], ids=["at once", "after a ping"])
def test_a_plain_frame_within_a_message_in_fragments_is_left_to_be_refused(between: bytes) -> None:
    line = Line()
    line.cutter.receive(of_client(TEXT, b"a", fin=False) + between + of_client(TEXT, b"b"))
    assert line.full.has_failed
    assert not line.plain


def test_what_a_large_frame_holds_is_not_taken_for_frames() -> None:
    line, smuggled = Line(), of_client(TEXT, b"smuggled")
    payload = smuggled * (2 * MAX_PLAIN_BYTES // len(smuggled))
    frame = bytes((0x82, 0xFE)) + len(payload).to_bytes(2) + bytes(4) + payload
    for piece in in_pieces(frame, [8, len(smuggled), len(smuggled)]):
        line.cutter.receive(piece)
    assert line.seen == [(BINARY, payload)]
    assert not line.plain


def test_a_large_frame_is_left_as_it_comes() -> None:
    left: list[bytes] = []
    cutter = FrameParser(2**20, lambda message: False, left.append)
    data = of_client(BINARY, b"x" * 100_000)
    for begin in range(0, len(data), 1000):
        cutter.receive(data[begin : begin + 1000])
    assert len(left) == len(range(0, len(data), 1000))  # nothing was kept back
    assert b"".join(left) == data


@given(st.one_of(payloads, st.text(max_size=200)))
@example(b"x" * 0xFFFF)
def test_join_makes_what_a_client_reads(message: Frame) -> None:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    client.receive_data(join(message))
    (frame,) = client.events_received()
    assert isinstance(frame, WebSocketFrame)
    assert frame.serialize(mask=False) == join(message)
    payload = message.encode() if isinstance(message, str) else message
    assert (frame.opcode, bytes(frame.data)) == (
        TEXT if isinstance(message, str) else BINARY,
        payload,
    )
