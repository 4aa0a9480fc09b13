"""The URLs of the test project, with those of django-debug-toolbar."""

from debug_toolbar.toolbar import debug_toolbar_urls

from tests.project.urls import urlpatterns as project

urlpatterns = [*project, *debug_toolbar_urls()]
