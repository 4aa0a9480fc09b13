"""Every error of the package, and the table of refusal codes.

    Error
    ├── Refused            one message is refused; the connection goes on
    │   └── (one class; its code is a key of CODES)
    ├── HandshakeRefused   no connection comes about; knows its HTTP status
    └── AnswerDropped      nobody waits for this answer any more

Codes, statuses and ``temporary`` are those of PROTOCOL.md section 5.2.
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
    """A message is refused; its sender is told ``code`` and ``detail``.

    Args:
        code: a key of ``CODES``.
        detail: a sentence for the developer at the other end.
        id: the id of the refused message, where it could be read.
    """

    def __init__(self, code: str, detail: str, id: int | str | None = None) -> None:
        super().__init__(code, detail, id)  # args stay the facts, so the error pickles
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
    """A WebSocket is refused before it is open.

    Args:
        status: the HTTP status of the answer.
        detail: the text of the answer, and of the log line.
        retry_after_seconds: whole seconds, where trying again can help by then.
    """

    def __init__(self, status: int, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(status, detail, retry_after_seconds)
        self.status, self.detail = status, detail
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class AnswerDropped(Error):
    """The answer was cancelled, timed out or lost its reader; producing it should stop."""
