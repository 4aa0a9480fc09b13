"""Adds the head elements of live pages to what the views of admin sites answer.

Each view of each admin site passes ``AdminSite.admin_view``, which Django documents for views of
one's own (https://docs.djangoproject.com/en/stable/ref/contrib/admin/, "Adding views to admin
sites"). ``install`` wraps it once, on the class. The admin's views answer with a TemplateResponse,
whose "post-render callbacks" (https://docs.djangoproject.com/en/stable/ref/template-response/) see
the whole page. So no template is overridden, and themes may replace all of them.
"""

import logging
import re
from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase
from django.http.response import HttpResponseRedirectBase
from django.template.response import SimpleTemplateResponse

from wsrequest.contrib.admin.pages import DELETED_HEADER, Page, deletion, head, page_of

__all__ = ["install"]

logger = logging.getLogger("wsrequest.live")

_HEAD = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)

View = Callable[..., Any]  # django-stubs has a type variable for it


def install() -> None:
    """Make the pages of all admin sites live. A second call changes nothing."""
    admin_view = AdminSite.admin_view
    if hasattr(admin_view, "wsrequest_admin_view"):
        return

    @wraps(admin_view)
    def live_admin_view(self: AdminSite, view: View, cacheable: bool = False) -> Any:
        # Inside of Django's own decorators, so that only those with permission come here.
        return admin_view(self, view if iscoroutinefunction(view) else _live(view), cacheable)

    live_admin_view.wsrequest_admin_view = admin_view  # type: ignore[attr-defined]
    AdminSite.admin_view = live_admin_view  # type: ignore[method-assign]


def _live(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = view(request, *args, **kwargs)
        page = page_of(request) if request.method == "GET" else None
        if page is None:
            return response
        if isinstance(response, SimpleTemplateResponse) and response.status_code == 200:
            response.add_post_render_callback(partial(_add_head, request, page))
        elif page is Page.CHANGE and isinstance(response, HttpResponseRedirectBase):
            _name_who_deleted(request, response)
        return response

    return answer


def _add_head(request: HttpRequest, page: Page, response: SimpleTemplateResponse) -> None:
    """Add the elements to a page that has been rendered.

    They come first, because module scripts run in the order of the page, together with deferred
    ones. So ours see the page as it was served, before Alpine or another script changes it.
    """
    content = response.content
    start = _HEAD.search(content)
    if start is None:
        logger.debug("%s has no <head>, so it is not live", request.path)
        return
    elements = head(request, page, response.context_data or {}).encode(response.charset)
    response.content = b"".join((content[: start.end()], elements, content[start.end() :]))


def _name_who_deleted(request: HttpRequest, response: HttpResponseBase) -> None:
    """Tell the browser why the page of an object is no more, if it follows the page."""
    websocket = getattr(request, "websocket", None)
    if websocket is not None and websocket.is_live:
        by = deletion(request)
        if by is not None:
            response[DELETED_HEADER] = by
