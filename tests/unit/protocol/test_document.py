"""PROTOCOL.md shows and lists what the code does."""

import json
import re
from pathlib import Path

from tests.unit.protocol.wire import cases
from wsrequest.protocol import framing, headers, validation
from wsrequest.types import Frame

PROTOCOL = (Path(__file__).resolve().parents[3] / "PROTOCOL.md").read_text(encoding="utf-8")
LINE_FEED = "⏎"
PLACEHOLDER = re.compile("…|X}")


def shown() -> list[str]:
    """Return the frames of the document: code spans and indented lines that begin with a brace."""
    spans = re.findall(r"`(\{[^`]*)`", PROTOCOL)
    text = re.sub(r",\n {5}", ",", PROTOCOL)  # hello takes two lines
    lines = re.findall(r"^ {4}(?:[CS]  )?(\{.*?)(?: {3,}.*)?$", text, re.MULTILINE)
    return [*spans, *lines]


def head(frame: Frame) -> tuple[str, bool]:
    """Return what a frame and a shown frame have in common: the head, and whether it is all."""
    if isinstance(frame, str):
        start, feed, _ = frame.partition(LINE_FEED)
        return start, bool(feed)
    start, _, _ = frame.decode("latin-1").partition("\n")
    return start, True


def test_every_whole_frame_that_is_shown_is_a_case() -> None:
    whole = [head(frame) for frame in shown() if not PLACEHOLDER.search(frame)]
    assert len(whole) > 15
    for start, _ in whole:
        json.loads(start)
    assert {head(case.frame) for case in cases() if case.name.startswith("document:")} == set(whole)


def test_every_header_that_is_listed_is_refused_and_no_other() -> None:
    section = PROTOCOL.partition("\n4.6 ")[2].partition("\n- those that the server adds")[0]
    _, *bullets = section.split("\n- ")
    assert len(bullets) == 4
    listed = [
        name.strip(" ;\n").replace("\\*", "*").lower()
        for bullet in bullets
        for name in bullet.partition(":")[2].split(",")
    ]
    prefixes = {name.removesuffix("*") for name in listed if name.endswith("*")}
    assert prefixes == set(headers.FORBIDDEN_PREFIXES)
    assert {name for name in listed if not name.endswith("*")} == headers.FORBIDDEN
    assert len(listed) == len(set(listed))


def test_every_header_of_one_request_is_listed_and_no_other() -> None:
    section = PROTOCOL.partition("Headers of one request are")[2].partition("\n- those that")[0]
    _, *bullets = section.split("\n- ")
    assert len(bullets) == 3
    listed = [
        name.partition(" (")[0].strip(" ;\n").replace("\\*", "*").lower()
        for bullet in bullets
        for name in bullet.partition(":")[2].split(",")
    ]
    assert sorted(listed) == sorted(headers.PER_REQUEST)


def test_limits_are_those_of_the_code() -> None:
    for sentence in (
        f"a string of at most {validation.MAX_ID_CHARACTERS} characters",
        f"with the same JSON value, at most {framing.MAX_PING_BYTES}\nbytes of it",
        f"At most {validation.MAX_URL_CHARACTERS:,} characters",
        f"At most {headers.MAX_HEADERS}, of at most {headers.MAX_HEADER_CHARACTERS:,} characters",
    ):
        assert sentence in PROTOCOL
    assert validation.MAX_INTEGER == 2**53 - 1
    assert "from -2^53+1 to 2^53-1" in PROTOCOL


def test_methods_are_those_of_the_code() -> None:
    row = re.search(r"^\| `method` \| (.*?), in any case", PROTOCOL, re.MULTILINE)
    assert row is not None
    assert set(re.findall("[A-Z]{3,}", row[1])) == validation.METHODS
