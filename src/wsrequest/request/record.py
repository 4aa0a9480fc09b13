"""What is noted of one message for metrics and the access log, while it is answered."""

from time import perf_counter

from django.http import HttpRequest

from wsrequest.errors import Refused

__all__ = ["MessageRecord"]


class MessageRecord:
    """One message, from its frame to its last frame. Exists only if somebody reads it.

    The worker thread sets ``request``, ``status`` and ``user``, the event loop the rest.

    Attributes:
        began: ``perf_counter`` when its frame came.
        request: made of it. None before.
        status: of its response, as far as known. 0 before.
        refusal: the code of PROTOCOL.md 5.2 if the package refused it, or "".
        sent_bytes: those of the frames that were sent before the last.
        user: the primary key of its user, or None.
    """

    __slots__ = ("began", "refusal", "request", "sent_bytes", "status", "user")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.request: HttpRequest | None = None
        self.status = self.sent_bytes = 0
        self.refusal = ""
        self.user: object | None = None

    def refused(self, error: Refused) -> None:
        """Note that it gets a refusal, perhaps in place of the rest of its response."""
        self.status, self.refusal = error.status, error.code
