"""The Content-Security-Policy of the demo's own pages."""

import secrets

from django.http import HttpRequest, HttpResponseBase


class PolicyMixin:
    """A view whose page takes scripts by nonce only, no inline styles, and no other host.

    Templates have the nonce as ``request.csp_nonce``, where ``{% wsrequest_client %}`` finds it.
    """

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Add the policy."""
        request.csp_nonce = nonce = secrets.token_urlsafe(16)
        response = super().dispatch(request, *args, **kwargs)
        host = request.get_host()  # written out: older browsers take 'self' for http only
        response["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self' ws://{host} wss://{host}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return response
