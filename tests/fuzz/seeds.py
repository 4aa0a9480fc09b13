"""Where fuzzing starts: the frames of ``tests/wire`` one by one, and some that follow each other.

Owns the seeds only; how an input is read is ``targets.split``'s.
"""

from collections.abc import Iterator

from tests.fuzz.targets import SEPARATOR
from tests.unit.protocol.wire import cases
from wsrequest.types import Frame

__all__ = ["SEQUENCES", "WORDS", "join", "seeds"]

MAX_SEED_BYTES = 3000

SEQUENCES: tuple[tuple[Frame, ...], ...] = (
    tuple(f'{{"id":{n},"url":"/"}}' for n in range(6)),
    ('{"id":1,"url":"/s/","credit":5}', '{"id":1,"credit":500}', '{"id":1,"cancel":true}'),
    ('{"id":1,"url":"/t/","credit":0}', "", '{"id":1,"url":"/t/"}', '{"id":1,"url":"/"}'),
    ('{"id":1,"url":"/s/?broken=1","credit":9}', '{"id":2,"url":"/l/"}', '{"id":3,"url":"/v/"}'),
    ('{"id":"a","url":"/x/"}', '{"id":"a","url":"x"}', '{"ping":[1]}', '{"url":"/a/"}'),
    (
        b'{"id":1,"method":"POST","url":"/e/","more":true}\nabc',
        b'{"id":1,"more":true}\ndef',
        b'{"id":1}\n',
        '{"id":2,"url":"/c/","data":{"a":"1","bb":["2",3]}}',
    ),
    (
        b'{"id":1,"method":"PUT","url":"/e/","more":true}\n' + bytes(590),
        b'{"id":1,"more":true}\n' + bytes(20),
        '{"id":1,"method":"POST","url":"/f/","body":"a=1"}',
    ),
    (
        b'{"id":1,"method":"POST","url":"/f/","headers":{"Content-Type":'
        b'"multipart/form-data; boundary=x"}}\n--x\r\nContent-Disposition: form-data; '
        b'name="f"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
    ),
    # Found by fuzzing: a type that names JSON and is none keeps the white space of its text.
    (b'{"id":1,"status":200,"headers":{"Content-Type":"text/x=application/json"}}\n t',),
    ('{"id":1,"method":"DELETE","url":"/e/","data":null,"credit":1}', "oops", ""),
)

WORDS = (
    '"id":', '"url":"/', '"method":"', '"headers":{', '"data":', '"body":"', '"token":"',
    '"credit":', '"more":true', '"cancel":true', '"subscribe":', '"ping":', '"pong":',
    '"status":', '"error":{"code":"', '"detail":"', '"hello":', '"cookies":', "POST", "HEAD",
    "PUT", "Content-Type", "application/json", "multipart/form-data; boundary=x", "\\u0000",
    "\\ud800", "%2F", "null", "\n", SEPARATOR.decode(), SEPARATOR.decode() + "b",
)  # fmt: skip
"""What a mutation may put in whole."""


def join(*frames: Frame) -> bytes:
    """Return the input that ``targets.split`` reads as these frames."""
    return SEPARATOR.join(
        b"t" + frame.encode("utf-8", "replace") if isinstance(frame, str) else b"b" + frame
        for frame in frames
    )


def seeds() -> Iterator[bytes]:
    """Yield every seed, none of them large."""
    for case in cases():
        if len(case.frame) <= MAX_SEED_BYTES:
            yield join(case.frame)
    for sequence in SEQUENCES:
        yield join(*sequence)
