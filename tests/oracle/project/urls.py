"""The oracle's URLs; its ROOT_URLCONF."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tests.oracle.project import views

router = SimpleRouter()
router.register("books", views.BookViewSet)

urlpatterns = [
    path("equal/", views.equal),
    path("among/", views.among),
    path("ranged/", views.ranged),
    path("either/", views.either),
    path("detail/<int:pk>/", views.detail),
    path("exists/", views.exists),
    path("subquery/", views.subquery),
    path("aggregates/", views.aggregates),
    path("cases/", views.cases),
    path("windows/", views.windows),
    path("authors/", views.authors),
    path("gated/", views.gated),
    path("chance/", views.chance),
    path("slow/", views.slow),
    path("prefetched/", views.prefetched),
    path("team/<int:pk>/", views.team),
    path("shelf/<int:pk>/", views.shelf),
    path("tagged/<str:name>/", views.tagged),
    path("notes/", views.notes),
    path("notebooks/", views.notebooks),
    path("places/", views.places),
    path("restaurants/", views.restaurants),
    path("odd/", views.odd),
    path("raw/", views.raw),
    path("cursor/", views.cursor),
    path("cursor/mixed/", views.mixed_cursor),
    path("union/", views.union),
    path("extra/", views.extra),
    path("template/", views.template),
    path("stream/", views.stream),
    path("stream/async/", views.async_stream),
    path("async/", views.async_list),
    path("rest/", include(router.urls)),
    path("mine/", views.mine),
    path("own/", views.own),
    path("everybodys/", views.everybodys),
    path("header/", views.by_header),
    path("public/", views.public),
    path("varied/", views.varied),
    path("private/", views.private),
    path("now-and-then/", views.now_and_then),
    path("log-in/", views.log_in),
    path("log-out/", views.log_out),
    path("change/", views.change),
    path("ready/", views.ready),
]
