"""The URLs of the page and of its API."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from snippets import views
from snippets.sessions import SessionView

router = DefaultRouter()
router.register("snippets", views.SnippetViewSet)

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("api/preview/", views.preview, name="preview"),
    path("api/languages/", views.languages, name="languages"),
    path("api/styles/<slug:style>.css", views.stylesheet, name="stylesheet"),
    path("api/stats/", views.StatsView.as_view(), name="stats"),
    path("api/recent/", views.recent, name="recent"),
    path("api/session/", SessionView.as_view(), name="session"),
    path("api/", include(router.urls)),
]
