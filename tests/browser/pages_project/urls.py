"""URLs of the live pages that real browsers visit."""

from django.contrib.staticfiles.views import serve
from django.urls import path

from tests.browser.pages_project import region_views, views

urlpatterns = [
    path("notes/", views.notes),
    path("notes/<int:pk>/", views.note),
    path("mine/", views.mine),
    path("counted/", views.counted),
    path("formset/", views.formset),
    path("still/", views.still),
    path("random/", views.random),
    path("policy/", views.policy),
    path("broken/<slug:kind>/", views.broken),
    path("around/", region_views.around),
    path("part/<slug:kind>/", region_views.part),
    path("login/", views.enter),
    path("logout/", views.leave),
    path("write/", views.write),
    path("runs/", views.runs),
    path("static/<path:path>", serve, {"insecure": True}),
]
