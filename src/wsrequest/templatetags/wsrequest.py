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
from wsrequest.pages.completing import page_url
from wsrequest.pages.regions import region_url, render_region
from wsrequest.request.secrets import keep_nonce
from wsrequest.request.sender import HAS_PAGE_TAG

__all__ = ["live_page", "live_region", "nonce_of", "wsrequest_client"]

register = template.Library()


@register.simple_tag(takes_context=True)
def wsrequest_client(
    context: Context, nonce: str | None = None, live: bool | str = False
) -> SafeString:
    """Return the script element that makes ``window.wsrequest``.

    Args:
        nonce: the nonce of the page's Content-Security-Policy. Without it, the tag uses
            ``csp_nonce`` of the context (Django 6's processor), or the request's nonce, as
            django-csp or Django 6's middleware made it.
        live: whether the page shows what changes in the database. "regions" for the regions only
            that ``{% live %}`` renders. It has no effect without a request in the context, or if
            ``WSREQUEST_MAX_SUBSCRIPTIONS`` is zero. In the response to a POST, only regions are
            live.
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
    nonce_attribute = nonce_of(context, nonce)
    client = format_html(
        '<script type="module" src="{}" data-wsrequest="{}"{}></script>',
        static("wsrequest/client.js"),
        json.dumps(options),
        nonce_attribute,
    )
    content = "regions" if live == "regions" else "page"
    return client + live_page(request, content, nonce_attribute) if live else client


def live_page(
    request: Any, content: str, nonce_attribute: str = "", *, script: str = "pages"
) -> SafeString:
    """Return what makes a page or its regions live, or nothing if it cannot be.

    Args:
        request: for the page, or None.
        content: of the page tag: "page", "regions", or another word for another script.
        nonce_attribute: of the script.
        script: the name of the script that follows the page.
    """
    if request is None or not conf.MAX_SUBSCRIPTIONS:
        return SafeString()
    tag = ""
    if request.method in ("GET", "HEAD"):
        # The request of REST framework wraps Django's.
        setattr(getattr(request, "_request", request), HAS_PAGE_TAG, True)
        tag = page_tag.render(page_url(request), content=content)
    return format_html(
        '{}<script type="module" src="{}"{}></script>',
        mark_safe(tag),  # each of its values is escaped
        static(f"wsrequest/{script}.js"),
        nonce_attribute,
    )


@register.simple_tag(takes_context=True, name="live")
def live_region(
    context: Context, view: str, *args: Any, region_id: str = "", **kwargs: Any
) -> SafeString:
    """Return a region: the answer of a view, in place, which is kept current.

    Args:
        view: the name of a URL pattern, as for ``{% url %}``, or a path that begins with "/".
        args: for the pattern.
        region_id: the id of the region. Of an answer that is a whole document, the content of the
            element with this id is shown.
        kwargs: for the pattern.

    Raises:
        NoReverseMatch: no pattern has this name and these arguments.
        ValueError: the path is of another origin, or there is no request in the context.
        RuntimeError: the template is rendered on an event loop.
    """
    request = context.get("request") or getattr(context, "request", None)
    if request is None:
        raise ValueError("{% live %} needs the request in the template's context")
    url = region_url(request, str(view), args, kwargs)
    # Each attribute is escaped, and the content is what the view has answered.
    return mark_safe(render_region(request, url, region_id))


def nonce_of(context: Context, nonce: str | None = None) -> SafeString:
    """Return the attribute with the nonce of the page, or an empty text.

    Args:
        context: of the template, or one that has only the request.
        nonce: if it is known.
    """
    page_nonce = nonce or _nonce(context)
    request = context.get("request") or getattr(context, "request", None)
    if page_nonce and request is not None:
        keep_nonce(request, page_nonce)
    return format_html(' nonce="{}"', page_nonce) if page_nonce else SafeString()


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
