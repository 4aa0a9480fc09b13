"""Every path is a file of the Web Platform Tests."""

from django.urls import re_path

from tests.browser.wpt.serving import serve

urlpatterns = [re_path("", serve)]
