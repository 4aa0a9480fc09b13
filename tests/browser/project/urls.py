"""URLs of the project that real browsers visit."""

from django.contrib.staticfiles.views import serve
from django.urls import path

from tests.browser.project import answers, bodies, pages, rooms, waiting

urlpatterns = [
    path("", pages.start),
    path("policy/", pages.policy),
    path("worker.js", pages.worker),
    path("static/<path:path>", serve, {"insecure": True}),
    path("way/", answers.way),
    path("csrf/", answers.csrf),
    path("status/<int:status>/", answers.status),
    path("redirect/<int:status>/", answers.redirect),
    path("type/", answers.typed),
    path("headers/", answers.many_headers),
    path("cookies/", answers.cookies),
    path("visits/", answers.visits),
    path("encoded/<slug:encoding>/", answers.encoded),
    path("long/", answers.long),
    path("parts/", answers.parts),
    path("broken/", answers.broken),
    path("raises/", answers.raises),
    path("form/", answers.form),
    path("cached/", answers.cached),
    path("echo/", bodies.echo),
    path("fields/", bodies.fields),
    path("digest/", bodies.digest),
    path("seen/", bodies.seen),
    path("wait/", waiting.wait),
    path("waits-for-life/", waiting.waits_for_life),
    path("room/<slug:name>/", rooms.room),
    path("tell/<slug:name>/", rooms.tell),
    path("endless/<slug:kind>/", waiting.endless),
]
