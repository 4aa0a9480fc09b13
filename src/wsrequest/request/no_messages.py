"""Keep the messages of django.contrib.messages out of a request.

A live page is not where a message is read: it waits for the next page that the visitor opens. So
the request's storage is replaced by an empty one, which stores nothing, whatever the middleware
and the project's own code do.
"""

from functools import cache
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

__all__ = ["asks_for_page", "keep_messages_out", "without_messages"]

_ATTRIBUTE = "_wsrequest_messages"


def asks_for_page(request: WSGIRequest) -> bool:
    """Whether a live request is that of a page or of a region, which ask for HTML only."""
    return bool(request.META.get("HTTP_ACCEPT") == "text/html")


def keep_messages_out(request: WSGIRequest) -> None:
    """Give a request no messages, neither to show nor to add.

    Args:
        request: one that no middleware has seen yet.
    """
    request.__class__ = _RequestWithoutMessages


def without_messages(request: HttpRequest) -> None:
    """Take the messages away from a request that the middleware has seen.

    Args:
        request: of which no other code has the storage.
    """
    if hasattr(request, "_messages"):
        request._messages = _storage_class()(request)


class _RequestWithoutMessages(WSGIRequest):
    @property
    def _messages(self) -> Any:
        """The empty storage, once the middleware has set one."""
        try:
            return self.__dict__[_ATTRIBUTE]
        except KeyError:
            raise AttributeError("_messages") from None

    @_messages.setter
    def _messages(self, storage: object) -> None:
        self.__dict__[_ATTRIBUTE] = _storage_class()(self)


@cache
def _storage_class() -> Any:
    from django.contrib.messages.storage.base import BaseStorage  # reads settings

    class NoMessages(BaseStorage):
        """A storage without messages."""

        def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
            return [], True

        def _store(self, messages: Any, response: Any, *args: Any, **kwargs: Any) -> list[Any]:
            return []

        def add(self, level: Any, message: Any, extra_tags: Any = "") -> None:
            """Drop the message, which the ordinary request has added already."""

    return NoMessages
