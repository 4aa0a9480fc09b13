"""Decides whether the HTTP run of a page can stand for its first live run.

It can if the visitor and the request are the same. That nothing was committed in between which
concerns the page is known before (``live/page_runs``).
"""

from django.core.handlers.wsgi import WSGIRequest

from wsrequest.live.http_caching import shared_key
from wsrequest.live.page_runs import PageRun
from wsrequest.live.snapshot import tag_matches
from wsrequest.protocol.messages import Request
from wsrequest.server.context import Live
from wsrequest.subscriptions.page_proof import origin_of
from wsrequest.subscriptions.resumption import PASSING, identifying_pairs
from wsrequest.subscriptions.shared import SharedKey, site_of

__all__ = ["held_tags", "stands_for"]


def stands_for(
    page: PageRun, message: Request, shown_message: Request, request: WSGIRequest, cookie: str,
    live: Live,
) -> bool:  # fmt: skip
    """Whether a page is what a live request would be answered with. If so, note who may share it.

    Args:
        page: whose proof the client has sent.
        message: of the live request, for which the proof is valid, and without conditional headers.
        shown_message: the same with these headers.
        request: made from the message.
        cookie: its Cookie header.
        live: what the live requests of the process share.
    """
    result, names = page.result, page.cookie_names
    if message.events:
        return False  # over HTTP, a view joins no room
    if result is None or not tag_matches(held_tags(shown_message), result.etag or ""):
        return False
    if origin_of(request) != page.origin:
        return False
    # The CSRF cookie counts here, because the page has tokens of it.
    if identifying_pairs(cookie, names, None) != identifying_pairs(page.cookie, names, None):
        return False
    varying = shared_key(result.status, result.headers, request.META)
    if varying is None:
        return True
    site = site_of(request)
    if site is None or live.share_key is not None:
        return False  # the project's function needs a request that the middleware has seen
    passing = {name for name, _ in varying if name in PASSING} - {"accept-encoding"}
    if passing:
        return False  # a navigation has others than a socket
    if ("accept", "text/html") not in varying:
        varying = (*varying, ("accept", "text/html"))
    result.shared_key = SharedKey(site, message.url, message.query, None, varying)
    return True


def held_tags(message: Request) -> str:
    """Return the entity tags of what the client already holds, as If-None-Match has them."""
    tags = [value for name, value in message.headers.items() if name.lower() == "if-none-match"]
    return ", ".join(tags)
