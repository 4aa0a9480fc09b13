"""Frames to messages, and back, for both sides: the codec's one address.

Owns nothing: ``client_frames`` holds what clients send, ``server_frames`` what servers send,
``frames`` and ``ids`` what both have in common, ``data`` which bodies are text.
"""

from wsrequest.protocol.client_frames import decode_client, encode_client
from wsrequest.protocol.frames import head_and_body
from wsrequest.protocol.server_frames import (
    decode_server,
    encode_ending,
    encode_refused,
    encode_response,
    encode_server,
    encode_version,
    encode_whole,
)

__all__ = [
    "decode_client",
    "decode_server",
    "encode_client",
    "encode_ending",
    "encode_refused",
    "encode_response",
    "encode_server",
    "encode_version",
    "encode_whole",
    "head_and_body",
]
