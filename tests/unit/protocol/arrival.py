"""What must hold for any frame that arrives. The property tests and fuzz targets share it.

Owns the oracle only; where frames come from is ``test_codec_properties``' and ``tests.fuzz``'.
"""

from typing import Any

from msgspec.structs import replace

from wsrequest.errors import Refused
from wsrequest.protocol import validation
from wsrequest.protocol.client_codec import decode_client, encode_client
from wsrequest.protocol.messages import Ping, Pong, Refusal, Request, Response
from wsrequest.protocol.server_codec import decode_server, encode_refused, encode_server
from wsrequest.types import Frame

__all__ = ["check_client_frame", "check_server_frame", "sent"]

WHITE_SPACE = b" \t\r\n"


def sent(message: Any) -> Any:
    """The message as it arrives: the url has taken up the query, JSON is bare, none is empty."""
    if isinstance(message, Request) and message.query:
        joint = "&" if "?" in message.url else "?"
        return replace(message, url=message.url + joint + message.query, query="")
    if isinstance(message, Response):
        body = message.body or None
        if message.patch is not None:
            body = body and body.strip(WHITE_SPACE)  # JSON, whatever the type of what it changes
        elif body is not None and isinstance(encode_server(message), str):
            media_type = next(v for k, v in message.headers.items() if k.lower() == "content-type")
            assert isinstance(media_type, str)
            essence = media_type.partition(";")[0].strip().lower()
            if essence == "application/json" or essence.endswith("+json"):
                body = body.strip(WHITE_SPACE)
        return replace(message, body=body)
    return message


def check_client_frame(frame: Frame) -> None:
    """A client's frame is a message that goes and comes again, or refused in words that do."""
    try:
        message = decode_client(frame)
    except Refused as refused:
        told = decode_server(encode_refused(refused))
        assert isinstance(told, Refusal)
        about = told.about if refused.code == "id_in_use" else told.id
        assert (told.code, told.detail, about) == (refused.code, refused.detail, refused.id)
        return
    arrived = sent(message)
    if isinstance(message, Request) and len(arrived.url) > validation.MAX_URL_CHARACTERS:
        return  # only as url and data can so long a query be sent
    assert decode_client(encode_client(message)) == arrived
    if isinstance(message, Ping):
        assert decode_server(encode_server(Pong(message.value))) == Pong(message.value)


def check_server_frame(frame: Frame) -> None:
    """A server's frame is a message that goes and comes again, or nothing, or refused."""
    try:
        message = decode_server(frame)
    except Refused as refused:
        assert refused.code in ("bad_json", "bad_message")
    else:
        assert message is None or decode_server(encode_server(message)) == sent(message)
