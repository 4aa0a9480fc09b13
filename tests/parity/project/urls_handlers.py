"""The same URLs, with views of their own for errors; one of them is async, one fails."""

from tests.parity.project import views
from tests.parity.project.urls import urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

handler400 = views.bad_request
handler403 = views.denied
handler404 = views.not_found
handler500 = views.server_error
