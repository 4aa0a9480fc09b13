"""Two outcomes of one row, compared field by field.

Owns what of an outcome is chance (ports, the clock, addresses in memory) and the names of the
fields.
"""

import gzip
import re
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from hashlib import md5
from html import unescape
from typing import Any

from tests.parity.transports import Answer, Outcome

__all__ = ["Differences", "compare"]

Differences = dict[str, tuple[Any, Any]]
"""Two values under the name of each field in which two outcomes differ."""

# Seconds that are counted down or up between two requests of a row.
SECONDS = re.compile(r"(?<=available in )\d+(?= second)")
COUNTED = ("age", "retry-after")
MISSING = "(missing)"
KINDS = {"middleware": "middleware", "signal": "signals", "query": "queries", "log": "logs"}
KINDS["view"] = "view"
HTTP_DATE = re.compile(r"\w{3}, \d\d[ -]\w{3}[ -]\d{4} \d\d:\d\d:\d\d GMT")
CHANCE = [
    (re.compile(r"0x[0-9a-f]{6,}"), "<address>"),
    (re.compile(r'SAVEPOINT "s\d+_x\d+'), 'SAVEPOINT "s<thread>_x<n>'),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
    # What django.core.signing makes: payload, time, signature.
    (re.compile(r"(?<![\w-])\.?[\w-]{2,}:1[A-Za-z0-9]{5}:[\w-]{27,}"), "<signed>"),
]


def from_now(found: re.Match[str]) -> str:
    """A date of the near future in minutes from now: two servers answer one after the other."""
    seconds = parsedate_to_datetime(found[0].replace("-", " ")).timestamp() - time.time()
    return f"<in {round(seconds / 60)} min>" if seconds > -120 else found[0]


def about(seconds: str) -> str:
    """A number of seconds, to the minute."""
    return f"<about {round(int(seconds) / 60)} min>"


def plain(value: Any, ports: frozenset[str]) -> Any:
    """A value without what is chance in it."""
    if isinstance(value, str):
        value = HTTP_DATE.sub(from_now, value)
        value = SECONDS.sub(lambda found: about(found[0]), value)
        for pattern, name in CHANCE:
            value = pattern.sub(name, value)
        for port in ports:
            value = re.sub(rf"\b{port}\b", "<port>", value)
        return value
    if isinstance(value, list | tuple):
        return [plain(one, ports) for one in value]
    if isinstance(value, dict):
        return {name: plain(one, ports) for name, one in value.items()}
    return value


def compare(reference: Outcome, outcome: Outcome, left_out: Iterable[str] = ()) -> Differences:
    """The fields in which two outcomes of a row differ.

    Args:
        reference: one of them.
        outcome: the other.
        left_out: headers of two HTTP servers, each of which writes their names in its own way.
    """
    found = Found(reference.ports, outcome.ports)
    for one, other in zip(reference.answers, outcome.answers, strict=True):
        found.add(_answer(one), _answer(other))
        found.add(*_header_names(one, other, frozenset(left_out)))
    found.add(_events(reference), _events(outcome))
    if not found.differences.keys() & set(KINDS.values()):
        found.add({"order": reference.events}, {"order": outcome.events})
    found.add({"seen": len(reference.seen)}, {"seen": len(outcome.seen)})
    for left, right in zip(reference.seen, outcome.seen, strict=False):
        found.add(_seen(left), _seen(right))
    return found.differences


class Found:
    """Collects differences. Chance is taken out of unequal values only: most are equal."""

    def __init__(self, left_ports: frozenset[str], right_ports: frozenset[str]) -> None:
        self._left_ports, self._right_ports = left_ports, right_ports
        self.differences: Differences = {}

    def add(self, left: dict[str, Any], right: dict[str, Any]) -> None:
        """Compare the fields of two parts of an outcome."""
        for name in left.keys() | right.keys():
            one, other = left.get(name, MISSING), right.get(name, MISSING)
            if one == other:
                continue
            if name.removeprefix("header ") in COUNTED and MISSING not in (one, other):
                one, other = [*map(about, one)], [*map(about, other)]
            one, other = plain(one, self._left_ports), plain(other, self._right_ports)
            if one != other:
                self.differences.setdefault(name, (one, other))


def _answer(answer: Answer) -> dict[str, Any]:
    content, headers = answer.body, answer.headers
    if ("Content-Encoding", "gzip") in headers and answer.failed is None:
        # Django hides the length of what it compresses behind a random one.
        content = gzip.decompress(content) if content else content
        headers = [pair for pair in headers if pair[0] != "Content-Length"]
    body = content.decode("utf-8", "surrogateescape")
    fields: dict[str, Any] = {
        "status": answer.status,
        "reason": answer.reason,
        "failed": answer.failed,
        "ticket": answer.ticket,
        "body": body,
        "traceback": _traceback(body),
    }
    for name, value in headers:
        # Django's own ETag of a body in which there is chance is chance, too.
        own = name.lower() == "etag" and value == f'"{md5(answer.body).hexdigest()}"'
        fields.setdefault(f"header {name.lower()}", []).append("<md5 of it>" if own else value)
    return fields


def _traceback(body: str) -> list[str]:
    """What a page of DEBUG says: title, error, the frames of its traceback."""
    if "Traceback" not in body:
        return []
    body = unescape(body)
    found = re.findall(r'<title>(.*?)</title>|class="exception_value">(.*?)</pre>', body, re.DOTALL)
    said = [" ".join("".join(one).split()) for one in found]
    frames = re.findall(r'File "(.*?)", line (\d+), in (\S+)', re.sub(r"<[^>]*>", "", body))
    return said + [":".join(frame) for frame in frames]


def _header_names(
    one: Answer, other: Answer, left_out: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Names as they were written, in their order, of the headers that both answers have."""
    common = {name.lower() for name, _ in one.headers} & {name.lower() for name, _ in other.headers}
    common -= left_out
    left, right = (
        {"header names": [name for name, _ in answer.headers if name.lower() in common]}
        for answer in (one, other)
    )
    return left, right


def _events(outcome: Outcome) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for kind, text in outcome.events:
        fields.setdefault(KINDS[kind], []).append(text)
    return fields


def _seen(seen: dict[str, Any]) -> dict[str, Any]:
    fields = {f"META {key}": value for key, value in seen["meta"].items()}
    for name, value in seen.items():
        if name == "headers":
            fields |= {f"request header {header}": text for header, text in value}
        elif name != "meta":
            fields[f"request.{name}"] = value
    return fields
