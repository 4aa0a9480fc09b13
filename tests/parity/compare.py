"""Two outcomes of one row, compared field by field.

Owns what of an outcome is chance (ports, the clock, addresses in memory) and the names of the
fields.
"""

import re
import time
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

from tests.parity.transports import Answer, Outcome

__all__ = ["Differences", "compare"]

Differences = dict[str, tuple[Any, Any]]
"""Two values under the name of each field in which two outcomes differ."""

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


def plain(value: Any, ports: frozenset[str]) -> Any:
    """A value without what is chance in it."""
    if isinstance(value, str):
        value = HTTP_DATE.sub(from_now, value)
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


def compare(reference: Outcome, outcome: Outcome) -> Differences:
    """The fields in which two outcomes of a row differ."""
    found: Differences = {}
    for one, other in zip(reference.answers, outcome.answers, strict=True):
        left, right = _answer(one, reference.ports), _answer(other, outcome.ports)
        _add(found, left, right)
        _add_header_order(found, one, other)
    left, right = _events(reference), _events(outcome)
    _add(found, left, right)
    if not found.keys() & set(KINDS.values()):
        _add(found, {"order": _plain_events(reference)}, {"order": _plain_events(outcome)})
    if len(reference.seen) != len(outcome.seen):
        found["seen"] = (len(reference.seen), len(outcome.seen))
    for one, other in zip(reference.seen, outcome.seen, strict=False):
        _add(found, _seen(one, reference.ports), _seen(other, outcome.ports))
    return found


def _add(found: Differences, left: dict[str, Any], right: dict[str, Any]) -> None:
    for name in left.keys() | right.keys():
        one, other = left.get(name, MISSING), right.get(name, MISSING)
        if one != other:
            found.setdefault(name, (one, other))


def _page(body: str) -> list[str]:
    """What a page of DEBUG says: title, error, the frames of its traceback."""
    if "Traceback" not in body:
        return []
    body = unescape(body)
    found = re.findall(
        r"<title>(.*?)</title>|class=\"exception_value\">(.*?)</pre>", body, re.DOTALL
    )
    said = [" ".join("".join(one).split()) for one in found]
    frames = re.findall(r'File "(.*?)", line (\d+), in (\S+)', re.sub(r"<[^>]*>", "", body))
    return said + [":".join(frame) for frame in frames]


def _answer(answer: Answer, ports: frozenset[str]) -> dict[str, Any]:
    body = plain(answer.body.decode("utf-8", "surrogateescape"), ports)
    fields: dict[str, Any] = {
        "status": answer.status,
        "reason": answer.reason,
        "failed": answer.failed,
        "ticket": answer.ticket,
        "body": body,
        "traceback": _page(body),
    }
    for name, value in answer.headers:
        fields.setdefault(f"header {name.lower()}", []).append(plain(value, ports))
    return fields


def _add_header_order(found: Differences, one: Answer, other: Answer) -> None:
    """Names as they were written, in their order, of the headers that both answers have."""
    common = {name.lower() for name, _ in one.headers} & {name.lower() for name, _ in other.headers}
    left = [name for name, _ in one.headers if name.lower() in common]
    right = [name for name, _ in other.headers if name.lower() in common]
    if left != right:
        found.setdefault("header names", (left, right))


def _events(outcome: Outcome) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for kind, text in _plain_events(outcome):
        fields.setdefault(KINDS[kind], []).append(text)
    return fields


def _plain_events(outcome: Outcome) -> list[Any]:
    found: list[Any] = plain(outcome.events, outcome.ports)
    return found


def _seen(seen: dict[str, Any], ports: frozenset[str]) -> dict[str, Any]:
    fields = {f"META {key}": plain(value, ports) for key, value in seen["meta"].items()}
    for name, value in seen.items():
        if name == "headers":
            for header, text in value:
                fields[f"request header {header}"] = plain(text, ports)
        elif name != "meta":
            fields[f"request.{name}"] = plain(value, ports)
    return fields
