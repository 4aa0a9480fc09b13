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

from tests.parity.project.views import answers, failures, seeing, state, streams
from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls

TEMPLATES = Path(__file__).with_name("templates")

urlpatterns = [
    path("see/<str:how>/", seeing.see, name="see"),
    path("see/<str:how>/<path:rest>", seeing.see),
    path("asee/<str:how>/", seeing.asee),
    path("asee/<str:how>/<path:rest>", seeing.asee),
    path("answer/<str:kind>/", answers.answer),
    path("aanswer/<str:kind>/", answers.aanswer),
    path("fail/<str:kind>/", failures.fail),
    path("afail/<str:kind>/", failures.afail),
    path("activate/<str:language>/", state.activate),
    path("unsafe/", failures.unsafe),
    path("streams/<str:kind>/", streams.stream),
    path("astreams/<str:kind>/", streams.astream),
    path("session/<str:do>/", state.session),
    path("asession/<str:do>/", state.asession),
    path("table/<str:do>/", state.rows),
    path("atable/", state.arows),
    path("template/", state.page),
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
    path("cached/<str:how>/", cache_control(max_age=60)(seeing.see)),
    path("page-cached/<str:kind>/", cache_page(60)(answers.answer)),
    path("never/<str:kind>/", never_cache(answers.answer)),
    path("zipped/<str:kind>/", gzip_page(answers.answer)),
    path("vary/<str:kind>/", vary_on_headers("X-One", "accept")(vary_on_cookie(answers.answer))),
    path("exempt/<str:kind>/", xframe_options_exempt(answers.answer)),
    path("post-only/", require_POST(state.session), {"do": "none"}),
    path("protected/", csrf_protect(state.session), {"do": "none"}),
    path("ensured/", ensure_csrf_cookie(state.session), {"do": "none"}),
    path("tagged/<str:kind>/", condition(etag_func=lambda *_, **__: '"v1"')(answers.answer)),
    path("members/", login_required(state.session), {"do": "none"}),
    path("may/", permission_required("project.x", raise_exception=True)(state.page)),
    path("no-slash/", no_append_slash(state.page)),
    path("slash/", state.page),
    path("set-language/", set_language),
    re_path(r"^group/(\d+)/(?P<name>\w+)?$", seeing.see, {"how": "body"}),
    path("ü/", seeing.see, {"how": "body"}),
    path(
        "nested/", include(([path("see/", seeing.see, {"how": "body"})], "app"), namespace="space")
    ),
    *project_urls,
    *i18n_patterns(path("translated/", seeing.see, {"how": "nothing"})),
]
