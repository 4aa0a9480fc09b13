"""The pages that a browser opens, and what runs in a worker."""

import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie

__all__ = ["policy", "start", "worker"]


@ensure_csrf_cookie
def start(request: HttpRequest) -> HttpResponse:
    """The page of most tests: the template tag and nothing else; ``?worker``: a worker like it."""
    if "worker" in request.GET:
        return render(request, "table.js", content_type="text/javascript")
    return render(request, "page.html")


def policy(request: HttpRequest) -> HttpResponse:
    """A page that runs scripts with its nonce only; ``?tag=other`` gives the tag another."""
    nonce = secrets.token_urlsafe(16)
    given = nonce if request.GET.get("tag") != "other" else "other"
    response = render(request, "policy.html", {"nonce": nonce, "given": given})
    response["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'"
    )
    return response


def worker(request: HttpRequest) -> HttpResponse:
    """A module worker that fetches what it is told to, and tells what came."""
    return render(request, "worker.js", content_type="text/javascript")
