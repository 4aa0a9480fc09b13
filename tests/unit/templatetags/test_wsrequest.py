"""The script element of ``{% wsrequest_client %}``."""

import json
from html import unescape
from types import SimpleNamespace
from typing import Any

import django
import pytest
from csp.constants import NONCE
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.template import Context, RequestContext, Template
from django.test import RequestFactory, override_settings
from django.urls import clear_script_prefix, set_script_prefix
from django.utils.module_loading import import_string

TAG = "{% load wsrequest %}{% wsrequest_client %}"


def rendered(text: str = TAG, **context: object) -> str:
    return Template(text).render(Context(context))


def options(html: str) -> dict[str, str]:
    value = html.partition('data-wsrequest="')[2].partition('"')[0]
    found: dict[str, str] = json.loads(unescape(value))
    return found


def test_tag_names_a_script_that_static_files_serve() -> None:
    html = rendered()
    assert html.startswith('<script type="module" src="/static/wsrequest/client.js" ')
    assert html.endswith("></script>")
    assert "nonce" not in html
    assert finders.find("wsrequest/client.js")


def test_client_is_told_how_the_project_is_set() -> None:
    with override_settings(
        WSREQUEST_PATH='/so"cket/', CSRF_COOKIE_NAME="c", WSREQUEST_TOKEN_SCHEME="Bearer"
    ):
        html = rendered()
    assert options(html) == {
        "url": '/so"cket/',
        "tokenScheme": "Bearer",
        "csrfCookieName": "c",
        "csrfHeaderName": "X-CSRFTOKEN",
    }


@pytest.mark.parametrize(
    ("prefix", "path", "url"),
    [
        ("/app/", "/ws/", "/app/ws/"),
        ("/app", "/ws/", "/app/ws/"),
        ("/app/", "/app/ws/", "/app/ws/"),
    ],
)
def test_client_is_told_the_path_below_the_script_name(prefix: str, path: str, url: str) -> None:
    set_script_prefix(prefix)
    try:
        with override_settings(WSREQUEST_PATH=path):
            assert options(rendered())["url"] == url
    finally:
        clear_script_prefix()


@pytest.mark.parametrize(
    ("text", "context"),
    [
        pytest.param(TAG, {"request": SimpleNamespace(csp_nonce="a&b")}, id="of-the-request"),
        pytest.param(TAG, {"csp_nonce": "a&b"}, id="of-the-context"),
        pytest.param(TAG.replace("client %}", "client n %}"), {"n": "a&b"}, id="an-argument"),
        pytest.param(TAG.replace("client %}", "client nonce=n %}"), {"n": "a&b"}, id="named"),
    ],
)
def test_nonce_is_honoured(text: str, context: dict[str, object]) -> None:
    assert ' nonce="a&amp;b">' in rendered(text, **context)


CSP = "django.template.context_processors.csp"
REQUEST = "django.template.context_processors.request"
needs_django_6 = pytest.mark.skipif(
    django.VERSION < (6,), reason="Django has a CSP middleware from 6.0 on (nox runs this on 6.1)"
)


def page(request: HttpRequest) -> HttpResponse:
    """A page that uses its nonce nowhere but in the tag."""
    return HttpResponse(Template(TAG).render(RequestContext(request)))


@pytest.mark.parametrize(
    ("middleware", "processors"),
    [
        pytest.param("csp.middleware.CSPMiddleware", [REQUEST], id="django-csp"),
        pytest.param("csp.middleware.CSPMiddleware", [], id="django-csp-without-processor"),
        pytest.param(
            "django.middleware.csp.ContentSecurityPolicyMiddleware",
            [CSP],
            marks=needs_django_6,
            id="django",
        ),
        pytest.param(
            "django.middleware.csp.ContentSecurityPolicyMiddleware",
            [],
            marks=needs_django_6,
            id="django-without-processor",
        ),
    ],
)
def test_tag_has_the_nonce_of_the_policy(
    middleware: str, processors: list[str], settings: Any
) -> None:
    settings.SECURE_CSP = {"script-src": ["<CSP_NONCE_SENTINEL>"]}  # django.utils.csp.CSP.NONCE
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [NONCE]}}
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"context_processors": processors},
        }
    ]
    response = import_string(middleware)(page)(RequestFactory().get("/"))
    nonce = response.content.decode().partition(' nonce="')[2].partition('"')[0]
    assert nonce
    assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]


def test_page_without_a_policy_has_no_nonce() -> None:
    response = page(RequestFactory().get("/"))
    assert b"nonce" not in response.content


@pytest.mark.parametrize("setting", ["CSRF_COOKIE_HTTPONLY", "CSRF_USE_SESSIONS"])
def test_client_is_told_the_token_that_it_cannot_read(setting: str, settings: Any) -> None:
    request = RequestFactory().get("/")
    assert "csrfToken" not in options(rendered(request=request))
    setattr(settings, setting, True)
    token = options(rendered(request=request))["csrfToken"]
    assert len(token) == 64
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]  # the middleware keeps what it is of
    assert "csrfToken" not in options(rendered())  # a template without a request


LIVE = "{% load wsrequest %}{% wsrequest_client live=True %}"


def test_live_page_names_its_own_url_and_its_script() -> None:
    request = RequestFactory().get("/a b/", {"q": "it's <é>"})
    html = rendered(LIVE, request=request, csp_nonce="n")
    assert html.startswith(rendered(request=request, csp_nonce="n"))
    # The quotation mark is as browsers write it, which else would ask for another URL.
    assert 'data-url="/a%20b/?q=it%27s+%3C%C3%A9%3E" data-etag="" data-proof=""' in html
    assert html.endswith(
        '<script type="module" src="/static/wsrequest/pages.js" nonce="n"></script>'
    )


def test_page_url_is_escaped() -> None:
    html = rendered(LIVE, request=RequestFactory().get("/", {"a": "1", "b": "2"}))
    assert 'data-url="/?a=1&amp;b=2"' in html


def test_answer_to_a_post_has_no_page_tag() -> None:
    html = rendered(LIVE, request=RequestFactory().post("/"))
    assert "wsrequest-live" not in html and "pages.js" in html  # for its regions


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        pytest.param(None, {}, id="no-request"),
        pytest.param(RequestFactory().get("/"), {"WSREQUEST_MAX_SUBSCRIPTIONS": 0}, id="off"),
    ],
)
def test_what_cannot_be_live_has_the_client_only(request_: Any, changes: dict[str, Any]) -> None:
    with override_settings(**changes):
        assert rendered(LIVE, request=request_) == rendered(request=request_)
