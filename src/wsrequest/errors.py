"""Define the package's errors and the table of refusal codes.

    Error
    ├── Refused            a message is refused, and the connection stays open
    │   └── (one class, whose code is a key of CODES)
    ├── HandshakeRefused   a handshake is refused, with an HTTP status
    └── AnswerDropped      nobody waits for this response any more

Codes, statuses and ``temporary`` follow PROTOCOL.md section 5.2.
"""

__all__ = ["CODES", "AnswerDropped", "Error", "HandshakeRefused", "Refused"]

CODES: dict[str, tuple[int, bool]] = {
    "bad_json": (400, False),
    "bad_message": (400, False),
    "missing_url": (400, False),
    "bad_url": (400, False),
    "bad_header": (400, False),
    "unknown_method": (501, False),
    "not_supported": (501, False),
    "use_http": (421, False),
    "not_live": (422, False),
    "too_many_subscriptions": (429, True),
    "too_many_rooms": (429, True),
    "session_ended": (401, False),
    "id_in_use": (409, False),
    "too_many_requests": (429, True),
    "message_too_large": (413, False),
    "body_too_large": (413, False),
    "needs_credit": (406, False),
    "answer_too_large": (500, False),
    "deadline_exceeded": (504, True),
    "shutting_down": (503, True),
    "internal_error": (500, True),
}


class Error(Exception):
    """Base of all errors that wsrequest raises."""


class Refused(Error):
    """Raised for a message that is refused. Its sender gets ``code`` and ``detail``.

    Args:
        code: a key of ``CODES``.
        detail: a sentence for the developer at the other end.
        id: the id of the refused message, if it could be read.
    """

    def __init__(self, code: str, detail: str, id: int | str | None = None) -> None:
        super().__init__(code, detail, id)  # args keep the values, so the error can be pickled
        self.code, self.detail, self.id = code, detail, id

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return CODES[self.code][0]

    @property
    def temporary(self) -> bool:
        """Whether the same message can succeed later."""
        return CODES[self.code][1]

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class HandshakeRefused(Error):
    """Raised for a handshake that is refused before the WebSocket opens.

    Args:
        status: the HTTP status of the response.
        detail: the text of the response and of the log line.
        retry_after_seconds: whole seconds after which another attempt can succeed, if it can.
    """

    def __init__(self, status: int, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(status, detail, retry_after_seconds)
        self.status, self.detail = status, detail
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class AnswerDropped(Error):
    """Raised to stop producing a response that was cancelled, timed out or lost its reader."""
