"""The URLs of the recorded project: views of its own, then those of the test project."""

from pathlib import Path

from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.decorators import login_required, permission_required
from django.urls import include, path, re_path
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_POST
from django.views.decorators.vary import vary_on_cookie, vary_on_headers
from django.views.generic import ListView, RedirectView, TemplateView
from django.views.generic.edit import CreateView
from django.views.i18n import set_language
from django.views.static import serve

from tests.parity.project import views
from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls

TEMPLATES = Path(__file__).with_name("templates")

urlpatterns = [
    path("see/<str:how>/", views.see, name="see"),
    path("see/<str:how>/<path:rest>", views.see),
    path("asee/<str:how>/", views.asee),
    path("asee/<str:how>/<path:rest>", views.asee),
    path("answer/<str:kind>/", views.answer),
    path("aanswer/<str:kind>/", views.aanswer),
    path("fail/<str:kind>/", views.fail),
    path("afail/<str:kind>/", views.afail),
    path("activate/<str:language>/", views.activate),
    path("unsafe/", views.unsafe),
    path("streams/<str:kind>/", views.stream),
    path("astreams/<str:kind>/", views.astream),
    path("session/<str:do>/", views.session),
    path("asession/<str:do>/", views.asession),
    path("table/<str:do>/", views.rows),
    path("atable/", views.arows),
    path("template/", views.page),
    path("generic/template/", TemplateView.as_view(template_name="parity/page.html")),
    path("generic/redirect/<str:how>/", RedirectView.as_view(pattern_name="see")),
    path("generic/list/", ListView.as_view(model=Note, template_name="parity/list.html")),
    path(
        "generic/create/",
        CreateView.as_view(
            model=Note, fields=["text"], template_name="parity/form.html", success_url="/template/"
        ),
    ),
    path("static-file/<path:path>", serve, {"document_root": TEMPLATES, "show_indexes": True}),
    path("cached/<str:how>/", cache_control(max_age=60)(views.see)),
    path("page-cached/<str:kind>/", cache_page(60)(views.answer)),
    path("never/<str:kind>/", never_cache(views.answer)),
    path("zipped/<str:kind>/", gzip_page(views.answer)),
    path("vary/<str:kind>/", vary_on_headers("X-One", "accept")(vary_on_cookie(views.answer))),
    path("exempt/<str:kind>/", xframe_options_exempt(views.answer)),
    path("post-only/", require_POST(views.session), {"do": "none"}),
    path("protected/", csrf_protect(views.session), {"do": "none"}),
    path("ensured/", ensure_csrf_cookie(views.session), {"do": "none"}),
    path("tagged/<str:kind>/", condition(etag_func=lambda *_, **__: '"v1"')(views.answer)),
    path("members/", login_required(views.session), {"do": "none"}),
    path("may/", permission_required("project.x", raise_exception=True)(views.page)),
    path("no-slash/", no_append_slash(views.page)),
    path("slash/", views.page),
    path("set-language/", set_language),
    re_path(r"^group/(\d+)/(?P<name>\w+)?$", views.see, {"how": "body"}),
    path("ü/", views.see, {"how": "body"}),
    path(
        "nested/", include(([path("see/", views.see, {"how": "body"})], "app"), namespace="space")
    ),
    *project_urls,
    *i18n_patterns(path("translated/", views.see, {"how": "nothing"})),
]
