"""Settings are read at each access, from one table."""

from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

from wsrequest.conf import SETTINGS, Conf, Setting, conf
from wsrequest.protocol.headers import HeaderNames
from wsrequest.types import Limits


def test_setting_has_its_default_until_the_project_sets_it() -> None:
    assert conf.TOKEN_SCHEME == "JWT"
    with override_settings(WSREQUEST_TOKEN_SCHEME="Bearer"):
        assert conf.TOKEN_SCHEME == "Bearer"
    assert conf.TOKEN_SCHEME == "JWT"


def test_setting_is_found_on_the_class() -> None:
    assert isinstance(Conf.THREADS, Setting)
    assert SETTINGS["WSREQUEST_THREADS"] is Conf.THREADS
    with override_settings(WSREQUEST_THREADS=3):
        assert Conf.THREADS.read() == conf.THREADS == 3


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_says_what_it_is(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.name == name
    assert setting.help.endswith(".")
    is_number = isinstance(setting.default, int | float) and not isinstance(setting.default, bool)
    assert (setting.minimum is not None) == is_number
    assert setting.minimum is None or setting.default >= setting.minimum


def test_names_are_those_that_the_project_sets() -> None:
    with override_settings(WSREQUEST_THREADS=3, WSREQUEST_TREADS=3):
        names = conf.names()
    assert {"WSREQUEST_THREADS", "WSREQUEST_TREADS", "WSREQUEST_ALLOWED_ORIGINS"} <= set(names)
    assert "WSREQUEST_PATH" not in names


def test_limits_are_those_of_the_settings() -> None:
    assert conf.limits() == Limits()
    with override_settings(WSREQUEST_MAX_MESSAGE_BYTES=2048, WSREQUEST_PING_SECONDS=1.5):
        assert conf.limits() == Limits(message_bytes=2048, ping_seconds=1.5)


def test_django_setting_has_a_default() -> None:
    assert conf.django("ROOT_URLCONF") == "tests.project.urls"
    assert conf.django("NO_SUCH_SETTING", 7) == 7


def test_session_engine_is_none_without_sessions() -> None:
    assert conf.session_engine == "django.contrib.sessions.backends.db"
    assert conf.session_cookie_name == "sessionid"
    with override_settings(INSTALLED_APPS=["wsrequest"], SESSION_COOKIE_NAME="other"):
        assert conf.session_engine is None
        assert conf.session_cookie_name == "other"


def test_upload_settings_are_djangos() -> None:
    with override_settings(FILE_UPLOAD_MAX_MEMORY_SIZE=123, FILE_UPLOAD_TEMP_DIR=None):
        assert conf.file_upload_max_memory_bytes == 123
        assert conf.file_upload_directory is None
    with override_settings(FILE_UPLOAD_TEMP_DIR="/var/uploads"):
        assert conf.file_upload_directory == "/var/uploads"


def test_trusted_proxy_headers_are_the_settings_own_and_djangos() -> None:
    with override_settings(
        WSREQUEST_FORBIDDEN_HEADERS=["X-Portal-User", "X-Acme-*"],
        SECURE_PROXY_SSL_HEADER=("HTTP_X_SCHEME_SEEN", "https"),
    ):
        found = conf.trusted_proxy_headers
        assert found == HeaderNames(frozenset({"x-portal-user", "x-scheme-seen"}), ("x-acme-",))
        assert "x-acme-user" in found and "x-portal-user" in found
        assert "x-portal-users" not in found and "x-acme" not in found
    with override_settings(WSREQUEST_FORBIDDEN_HEADERS=(), SECURE_PROXY_SSL_HEADER=None):
        assert conf.trusted_proxy_headers == HeaderNames()
        assert "x" not in conf.trusted_proxy_headers and "" not in conf.trusted_proxy_headers


def test_per_request_headers_are_the_protocols_and_the_settings_own() -> None:
    with override_settings(WSREQUEST_PER_REQUEST_HEADERS=["X-Acme-Request-*", "X-Attempt"]):
        found = conf.per_request_headers
    for name in ("traceparent", "x-b3-traceid", "x-acme-request-id", "x-attempt"):
        assert name in found
    assert "x-attempt" not in conf.per_request_headers
    for name in ("x-attempts", "accept", "host", "cookie", "authorization", "user-agent"):
        assert name not in found


@pytest.mark.parametrize("told", [None, len, "builtins.len"])
def test_a_callable_can_be_named_by_its_dotted_path(settings: Any, told: Any) -> None:
    settings.WSREQUEST_LIVE_SHARE_KEY = told
    assert conf.live_share_key is (None if told is None else len)


def test_bus_of_one_process_needs_no_secret_key() -> None:
    with override_settings(SECRET_KEY="", WSREQUEST_BUS="memory://"):
        assert conf.bus_secrets == []
    with override_settings(
        SECRET_KEY="a", SECRET_KEY_FALLBACKS=[b"b"], WSREQUEST_BUS="redis://127.0.0.1"
    ):
        assert conf.bus_secrets == [b"a", b"b"]


def test_reports_of_errors_show_no_password() -> None:
    url = "redis://shop:s3cret@127.0.0.1/"
    log = "postgresql+log://reader:s3cret@default"
    with override_settings(WSREQUEST_BUS=url, WSREQUEST_RELAYED_LOG=log, DEBUG=True):
        conf.hide_passwords()
        assert (conf.BUS, conf.RELAYED_LOG) == (url, log)
        reporter = ExceptionReporter(RequestFactory().get("/"), None, None, None)
        for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
            assert "s3cret" not in report
            assert "redis://shop:***@127.0.0.1/" in report
            assert "postgresql+log://reader:***@default" in report


def test_url_without_a_password_stays_as_it_is() -> None:
    with override_settings(WSREQUEST_BUS="redis://127.0.0.1/"):
        conf.hide_passwords()
        assert type(conf.BUS) is str
