"""``{% load wsrequest %}{% wsrequest_client %}`` loads and configures the browser client.

With ``live=True``, the page also follows itself (docs/live-pages.md). It is script elements without
inline script. So a Content-Security-Policy of ``'self'`` allows them even without a nonce.
"""

import json
from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.template import Context
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from wsrequest.conf import conf
from wsrequest.live import page_tag
from wsrequest.pages.completing import HAS_TAG, page_url

__all__ = ["wsrequest_client"]

register = template.Library()


@register.simple_tag(takes_context=True)
def wsrequest_client(context: Context, nonce: str | None = None, live: bool = False) -> SafeString:
    """Return the script element that makes ``window.wsrequest``.

    Args:
        nonce: the nonce of the page's Content-Security-Policy. Without it, the tag uses
            ``csp_nonce`` of the context (Django 6's processor), or the request's nonce, as
            django-csp or Django 6's middleware made it.
        live: whether the page shows what changes in the database. It has no effect in the response
            to a POST, without a request in the context, and if ``WSREQUEST_MAX_SUBSCRIPTIONS`` is
            zero.
    """
    options = {
        "url": _below(get_script_prefix().rstrip("/"), conf.PATH),
        "tokenScheme": conf.TOKEN_SCHEME,
        "csrfCookieName": conf.django("CSRF_COOKIE_NAME"),
        "csrfHeaderName": _header(conf.django("CSRF_HEADER_NAME")),
    }
    request = context.get("request") or getattr(context, "request", None)
    if conf.hides_csrf_token and request is not None:
        options["csrfToken"] = get_token(request)
    page_nonce = nonce or _nonce(context)
    nonce_attribute = format_html(' nonce="{}"', page_nonce) if page_nonce else ""
    client = format_html(
        '<script type="module" src="{}" data-wsrequest="{}"{}></script>',
        static("wsrequest/client.js"),
        json.dumps(options),
        nonce_attribute,
    )
    return client + _live_page(request, nonce_attribute) if live else client


def _live_page(request: Any, nonce_attribute: str) -> SafeString:
    """Return what makes a page live, or nothing if it cannot be."""
    if request is None or request.method not in ("GET", "HEAD") or not conf.MAX_SUBSCRIPTIONS:
        return SafeString()
    setattr(request, HAS_TAG, True)
    return format_html(
        '{}<script type="module" src="{}"{}></script>',
        mark_safe(page_tag.render(page_url(request))),  # each of its values is escaped
        static("wsrequest/pages.js"),
        nonce_attribute,
    )


def _nonce(context: Context) -> str:
    """Return the nonce of the page, or an empty string."""
    request = context.get("request") or getattr(context, "request", None)
    given: Any = context.get("csp_nonce")
    for name in ("csp_nonce", "_csp_nonce"):  # those of django-csp, and of Django 6
        if given is None:
            given = getattr(request, name, None)
    # Both are lazy, and false until they are used. Using one puts it into the policy.
    return "" if given is None else str(given)


def _below(script_name: str, path: str) -> str:
    """Return the socket's path as the browser sees it, with the script name."""
    # WSREQUEST_PATH may already start with the script name (check W027).
    return path if path.startswith(f"{script_name}/") else script_name + path


def _header(meta_name: str) -> str:
    """Return ``HTTP_X_CSRFTOKEN`` as the name of a header: ``X-CSRFTOKEN``."""
    return meta_name.removeprefix("HTTP_").replace("_", "-")
