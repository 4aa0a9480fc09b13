"""The script element of ``{% wsrequest_client %}``."""

import json
from html import unescape
from types import SimpleNamespace

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.test import override_settings
from django.urls import clear_script_prefix, set_script_prefix

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
