"""The same URLs, with views of their own for errors; one of them is async, one fails."""

from tests.parity.project.urls import urlpatterns
from tests.parity.project.views import failures

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

handler400 = failures.bad_request
handler403 = failures.denied
handler404 = failures.not_found
handler500 = failures.server_error
