"""The URLs of the page, of its API, of the live pages, and of the rooms."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from snippets import pages, rooms, views
from snippets.sessions import SessionView

router = DefaultRouter()
router.register("snippets", views.SnippetViewSet)

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("pages/", pages.ListPage.as_view(), name="page-list"),
    path("pages/<int:pk>/", pages.DetailPage.as_view(), name="page-detail"),
    path("pages/<int:pk>/edit/", pages.EditPage.as_view(), name="page-edit"),
    path("pages/<int:pk>/delete/", pages.DeletePage.as_view(), name="page-delete"),
    path("pages/languages/", pages.languages, name="page-languages"),
    path("rooms/<int:pk>/", rooms.RoomPage.as_view(), name="room-page"),
    path("api/snippets/<int:pk>/room/", rooms.room, name="room"),
    path("api/preview/", views.preview, name="preview"),
    path("api/languages/", views.languages, name="languages"),
    path("api/styles/<slug:style>.css", views.stylesheet, name="stylesheet"),
    path("api/stats/", views.StatsView.as_view(), name="stats"),
    path("api/recent/", views.recent, name="recent"),
    path("api/session/", SessionView.as_view(), name="session"),
    path("api/", include(router.urls)),
]
