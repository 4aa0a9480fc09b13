"""Which pages of the admin are live, and what their head tells the browser.

A list tells the primary keys of its rows in their order, so that the browser never has to trust the
numbers in ``id_form-3-title``. A change form tells who saved its object last.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from wsrequest.templatetags.wsrequest import live_page, nonce_of, wsrequest_client

__all__ = ["DELETED_HEADER", "Page", "deletion", "head", "page_of"]

DELETED_HEADER = "X-WSRequest-Deleted-By"
"""In the live answer for an object that was deleted: who did, percent-encoded, or nothing."""


class Page(Enum):
    """A kind of page that is live. The value is the end of its URL's name."""

    INDEX = "index"
    APP = "app_list"
    LIST = "changelist"
    HISTORY = "history"
    CHANGE = "change"


def page_of(request: HttpRequest) -> Page | None:
    """Return what kind of live page a request asks for, or None.

    The login, pages to add or delete an object, and views of the project's own are not live.
    """
    match = request.resolver_match
    if match is None or match.url_name is None:
        return None
    model_admin = getattr(match.func, "model_admin", None)
    if model_admin is None:
        is_site = hasattr(match.func, "admin_site")
        return next(
            (p for p in (Page.INDEX, Page.APP) if is_site and p.value == match.url_name), None
        )
    options = model_admin.opts
    for page in (Page.LIST, Page.HISTORY, Page.CHANGE):
        if match.url_name == f"{options.app_label}_{options.model_name}_{page.value}":
            return page
    return None


def head(request: HttpRequest, page: Page, context: Mapping[str, Any]) -> SafeString:
    """Return the elements that make a page live, or nothing if no page can be.

    Args:
        request: for the page.
        page: its kind.
        context: with which its template was rendered.
    """
    template_context = Context({"request": request})
    nonce = nonce_of(template_context)
    # The forms of lists and of objects need more care than other pages, so a script of ours follows
    # them.
    if page in (Page.LIST, Page.CHANGE):
        live = live_page(request, "admin", nonce, script="admin")
    else:
        live = live_page(request, "page", nonce)
    if not live:
        return live
    return format_html(
        '<link rel="stylesheet" href="{}"{}><meta name="wsrequest-admin" content="{}">{}{}',
        static("wsrequest/admin.css"),
        nonce,
        json.dumps(_facts(request, page, context)),
        wsrequest_client(template_context),
        live,
    )


def deletion(request: HttpRequest) -> str | None:
    """Return who deleted the object of a change form, percent-encoded.

    Returns:
        An empty text if the log does not say. None if the object was not named by its key.
    """
    match = request.resolver_match
    if match is None or "_to_field" in request.GET:
        return None
    model: type[Model] = match.func.model_admin.model  # type: ignore[attr-defined]
    entry = _last_entry(model, unquote(match.kwargs["object_id"]))
    return quote(_name(entry)) if entry is not None and entry.action_flag == DELETION else ""


def _facts(request: HttpRequest, page: Page, context: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"page": page.value}
    if page is Page.LIST:
        facts["keys"] = [str(row.pk) for row in getattr(context.get("cl"), "result_list", ())]
        facts["words"] = {
            "one": _("1 change"),
            "many": _("%s changes"),
            "show": _("Show"),
            "gone": _("Rows that you have edited and that are no longer in the list: %s"),
        }
    elif page is Page.CHANGE:
        original = context.get("original")
        facts["form"] = f"{getattr(context.get('opts'), 'model_name', '')}_form"  # its id
        if isinstance(original, Model):
            entry = _last_entry(type(original), original.pk)
            if entry is not None:
                is_own = entry.user == request.user
                facts["saved"] = {"id": entry.pk, "by": _name(entry), "own": is_own}
        facts["words"] = {
            "changed": _("Changed since you opened it."),
            "changedBy": _("Changed by %s since you opened it."),
            "changedByYou": _("Changed by you in another window."),
            "deleted": _("Deleted since you opened it."),
            "deletedBy": _("Deleted by %s since you opened it."),
            "show": _("Show"),
            "load": _("Load it, and drop what I have typed"),
            "empty": _("empty"),
            "ended": _("Your session has ended. What you have typed is still here."),
        }
    return facts


def _last_entry(model: type[Model], key: Any) -> LogEntry | None:
    kind = ContentType.objects.get_for_model(model, for_concrete_model=False)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(key))
    return entries.select_related("user").order_by("-pk").first()


def _name(entry: LogEntry) -> str:
    user: Any = entry.user
    return str(user.get_short_name() or user.get_username())
