"""Views that fail, each in its own way."""

import asyncio
import sys
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the view fails")


async def async_fail(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    raise RuntimeError("the async view fails")


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("nothing here")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("this looks wrong")


def nothing(request: HttpRequest) -> Any:
    return None


async def async_nothing(request: HttpRequest) -> Any:
    return None


def leave(request: HttpRequest) -> HttpResponse:
    sys.exit(3)


async def async_leave(request: HttpRequest) -> HttpResponse:
    sys.exit(3)


def cancelled(request: HttpRequest) -> HttpResponse:
    raise asyncio.CancelledError


async def async_cancelled(request: HttpRequest) -> HttpResponse:
    """Wait for a task that somebody else cancelled."""
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task
    return HttpResponse("never")


def unprintable_body(request: HttpRequest) -> HttpResponse:
    """A response whose body is neither bytes nor text."""
    response = HttpResponse("body")
    response._container = [object()]  # type: ignore[attr-defined]  # as a broken view would
    return response
