"""Reads ``tests/wire/*.json``. The README there describes the format."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from wsrequest.protocol.client_codec import decode_client, encode_client
from wsrequest.protocol.messages import ClientMessage, Hello, Presence, Rooms, ServerMessage
from wsrequest.protocol.server_codec import decode_server, encode_server
from wsrequest.types import Frame, Id

WIRE = Path(__file__).resolve().parents[2] / "wire"
FILES = sorted(WIRE.glob("*.json"))
TYPES = {cls.__name__: cls for cls in (*ClientMessage.__args__, *ServerMessage.__args__)}
MEMBERS = {"name", "from", "frame", "message", "refused", "encoded", "only", "max_bytes", "each"}

Message = ClientMessage | ServerMessage


@dataclass(frozen=True)
class Case:
    """One line of a table, with ``<each>`` replaced.

    Attributes:
        refused: code and id; None where there is a message.
        message: None where the frame is to be ignored, or refused.
        encoded: the frame that ``message`` is encoded as.
    """

    name: str
    side: str
    frame: Frame
    message: Message | None
    refused: tuple[str, Id | None] | None
    encoded: Frame
    only: str | None
    max_bytes: int | None

    def decode(self, frame: Frame) -> Message | None:
        """Decode as the receiver of this case does."""
        if self.side == "server":
            return decode_server(frame)
        limit = {} if self.max_bytes is None else {"max_bytes": self.max_bytes}
        return decode_client(frame, **limit)

    def encode(self, message: Any) -> Frame:
        """Encode as the sender of this case does."""
        encode: Callable[[Any], Frame] = encode_server if self.side == "server" else encode_client
        return encode(message)


def cases() -> Iterator[Case]:
    """Yield every case of every file."""
    for path in FILES:
        for spec in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            assert spec.keys() <= MEMBERS, spec
            assert ("message" in spec) != ("refused" in spec), spec
            yield from _cases(f"{path.stem}: ", spec)


def _cases(file: str, spec: dict[str, Any]) -> Iterator[Case]:
    each = spec.pop("each", None)
    if each is None:
        yield _case(file, spec)
        return
    assert "<each>" in json.dumps(spec["frame"]), spec
    for item in each:
        named = spec if "<each>" in spec["name"] else {**spec, "name": spec["name"] + ": <each>"}
        yield _case(file, _replaced(named, item))


def _case(file: str, spec: dict[str, Any]) -> Case:
    refused = spec.get("refused")
    frame = _frame(spec["frame"])
    return Case(
        name=file + spec["name"],
        side=spec["from"],
        frame=frame,
        message=_message(spec["message"]) if spec.get("message") else None,
        refused=(refused["code"], refused.get("id")) if refused else None,
        encoded=_frame(spec["encoded"]) if "encoded" in spec else frame,
        only=spec.get("only"),
        max_bytes=spec.get("max_bytes"),
    )


def _replaced(value: Any, item: str) -> Any:
    if isinstance(value, str):
        return value.replace("<each>", item)
    if isinstance(value, list):
        return [_replaced(element, item) for element in value]
    if isinstance(value, dict):
        return {_replaced(name, item): _replaced(found, item) for name, found in value.items()}
    return value


def _text(value: str | list[Any]) -> str:
    if isinstance(value, str):
        return value
    return "".join(piece if isinstance(piece, str) else piece[0] * piece[1] for piece in value)


def _frame(value: Any) -> Frame:
    if not isinstance(value, dict):
        return _text(value)
    if "base64" in value:
        return b64decode(value["base64"], validate=True)
    return _text(value["head"]).encode() + b"\n" + _body(value)


def _body(value: dict[str, Any]) -> bytes:
    if "body_base64" in value:
        return b64decode(value["body_base64"], validate=True)
    return _text(value["body"]).encode()


def _message(spec: dict[str, Any]) -> Message:
    fields = dict(spec)
    cls = TYPES[fields.pop("type")]
    if cls in (Hello, Rooms, Presence):
        converted: Message = msgspec.convert(fields, cls)
        return converted
    if "data" in fields:
        fields["data"] = Raw(fields["data"].encode())
    if "events" in fields:
        fields["events"] = tuple(fields["events"])
    if "body" in fields or "body_base64" in fields:
        fields["body"] = _body(fields)
        fields.pop("body_base64", None)
    if "value" in fields:
        fields["value"] = Raw(_text(fields["value"]).encode())
    if "url" in fields:
        fields["url"] = _text(fields["url"])
    if "headers" in fields and cls is TYPES["Request"]:
        fields["headers"] = {name: _text(value) for name, value in fields["headers"].items()}
    message: Message = cls(**fields)
    return message
