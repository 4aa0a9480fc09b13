"""Each system check finds its misconfiguration, and reports nothing for a correct project.

Long by its table: each check has a project that it finds fault with, and one that it does not.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import uvicorn
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.asgi import get_asgi_application as get_django_application
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import include, path, re_path
from django.utils.functional import SimpleLazyObject, lazy
from django.views.decorators.cache import never_cache
from rest_framework.authentication import (
    RemoteUserAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from wsrequest.asgi import Application, get_asgi_application
from wsrequest.checks import CHECKS, deployment, project
from wsrequest.checks.project import check_caches
from wsrequest.faults import demand_sound, faults
from wsrequest.management.applications import Found, find_socket, look_up

APPS: list[str] = list(settings.INSTALLED_APPS)
LIVE_ADMIN = [*APPS, "django.contrib.admin", "wsrequest.contrib.admin"]
LOCAL_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


def view(request: HttpRequest, **kwargs: str) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("taken/", view)]


class CatchAll:
    """The URLs of a single-page application."""

    urlpatterns = (re_path(r"^.*$", view),)


class PortalUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_X_PORTAL_USER"


class ProxiedUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_X_FORWARDED_USER"


class HashedOnlyStorage(ManifestStaticFilesStorage):
    """As WhiteNoise's, which need not be installed."""

    keep_only_hashed_files = property(lambda self: settings.WHITENOISE_KEEP_ONLY_HASHED_FILES)


class RewritingStorage(HashedOnlyStorage):
    support_js_module_import_aggregation = True


class OwnMiddleware:
    header = "HTTP_X_PORTAL_USER"


class KeyAuthentication(TokenAuthentication):
    keyword = "Key"


class AskingSessions(SessionAuthentication):
    def authenticate_header(self, request: Any) -> str:
        return "Session"


class PortalUserAuthentication(RemoteUserAuthentication):
    header = "HTTP_X_PORTAL_USER"


class Portal(APIView):
    authentication_classes = [PortalUserAuthentication]


class Deep:
    """A view that a header logs in to, below other URLs and decorated."""

    views: Any = SimpleNamespace(urlpatterns=[path("x/", never_cache(Portal.as_view()))])
    urlpatterns = (path("api/", include((views, "deep"))),)


class GivenToTheView:
    """A view that is given the class by its URL."""

    urlpatterns = (path("x/", APIView.as_view(authentication_classes=[PortalUserAuthentication])),)


@api_view(["GET"])
@authentication_classes([PortalUserAuthentication])
def portal(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class OfAFunction:
    urlpatterns = (path("x/", portal),)


class WithAdmin:
    """The URLs of a project with an admin, whose site exists only while the admin is installed."""

    urlpatterns: Any = SimpleLazyObject(lambda: [path("admin/", admin.site.urls)])


class PortalSet(ViewSet):
    authentication_classes: ClassVar[list[type]] = []

    @action(detail=False, authentication_classes=[PortalUserAuthentication])
    def one(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


_router = SimpleRouter()
_router.register("portal", PortalSet, basename="portal")


class OfAnAction:
    urlpatterns = tuple(_router.urls)


class CertificateMiddleware(RemoteUserMiddleware):
    """One whose key another half of it reads as that of a header, before Django 6.1."""

    header = "PORTAL_USER"


REMOTE_USER = "django.contrib.auth.middleware.RemoteUserMiddleware"
SESSIONS = "rest_framework.authentication.SessionAuthentication"
BASIC = "rest_framework.authentication.BasicAuthentication"
TOKENS = "rest_framework.authentication.TokenAuthentication"
SIMPLE_JWT = "rest_framework_simplejwt.authentication.JWTAuthentication"


def authenticated_by(*classes: str) -> dict[str, Any]:
    """Settings of REST framework."""
    return {"DEFAULT_AUTHENTICATION_CLASSES": list(classes)}


def stored_by(path: str, *, only_hashed: bool = True) -> dict[str, Any]:
    """Settings of static files."""
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": path}}
    return {"STORAGES": storages, "WHITENOISE_KEEP_ONLY_HASHED_FILES": only_hashed}


def found(**changes: Any) -> list[CheckMessage]:
    """Run our checks, those for deployment too, on the project with these settings."""
    with override_settings(**{"WSREQUEST_BUS": "redis://127.0.0.1/", **changes}):
        return run_checks(tags=["wsrequest"], include_deployment_checks=True)


def ids(**changes: Any) -> list[str]:
    return [str(message.id).removeprefix("wsrequest.") for message in found(**changes)]


LIVE_PAGES = "wsrequest.pages.middleware.LivePageMiddleware"


def wrong(id: str, sentence: str, hint: str = "", **changes: Any) -> Any:
    urls = getattr(changes.get("ROOT_URLCONF"), "__name__", "")
    name = " ".join(filter(None, [id, *changes, urls, sentence]))
    return pytest.param(id, sentence, hint, changes, id=name)


WRONG = [
    wrong("E001", "is '8', but must be a whole number.", "default is 8.", WSREQUEST_THREADS="8"),
    wrong("E001", "is True, but must be a whole number.", WSREQUEST_MAX_WAITING=True),
    wrong("E001", "is 0.5, but must be a whole number.", WSREQUEST_PART_BYTES=0.5),
    wrong("E001", "is None, but must be a number.", WSREQUEST_REQUEST_SECONDS=None),
    wrong("E001", "is nan, but must be a number.", WSREQUEST_REQUEST_SECONDS=float("nan")),
    wrong("E001", "is 1, but must be True or False.", WSREQUEST_ALLOW_MISSING_ORIGIN=1),
    wrong("E001", "is b'/ws/', but must be a string.", WSREQUEST_PATH=b"/ws/"),
    wrong(
        "E001",
        "is 'https://a.example', but must be a list of strings.",
        WSREQUEST_ALLOWED_ORIGINS="https://a.example",
    ),
    wrong("E001", "is [1], but must be a list of strings.", WSREQUEST_FORBIDDEN_HEADERS=[1]),
    wrong("E001", "is 1, but must be a callable, or its dotted path.", WSREQUEST_LIVE_SHARE_KEY=1),
    wrong(
        "E001",
        "is 'no.such', but must be a callable, or its dotted path.",
        WSREQUEST_LIVE_SHARE_KEY="no.such",
    ),
    wrong("E002", "WSREQUEST_THREADS is 0, but must be at least 1.", WSREQUEST_THREADS=0),
    wrong("E002", "is 100, but must be at least 1024.", WSREQUEST_MAX_MESSAGE_BYTES=100),
    wrong("E003", "which does not begin with a slash.", WSREQUEST_PATH="ws/"),
    wrong("E003", "which holds '//'.", WSREQUEST_PATH="//ws/"),
    wrong("E003", "which holds '?'.", WSREQUEST_PATH="/ws/?a"),
    wrong("E003", "which holds '%'.", WSREQUEST_PATH="/w%73/"),
    wrong("E003", "which holds ' '.", WSREQUEST_PATH="/ws/ "),
    wrong("E004", "sandboxed page", WSREQUEST_ALLOWED_ORIGINS=["null"]),
    wrong("E004", "is a wildcard", WSREQUEST_ALLOWED_ORIGINS=["https://*.a.example"]),
    wrong("E004", "is not an origin", WSREQUEST_ALLOWED_ORIGINS=["a.example"]),
    wrong("E004", "is not an origin", WSREQUEST_ALLOWED_ORIGINS=["https://a.example/"]),
    wrong("E004", "is not an origin", WSREQUEST_ALLOWED_ORIGINS=["https://a@b.example"]),
    wrong("E004", "is not an origin", WSREQUEST_ALLOWED_ORIGINS=["https://grün.example"]),
    wrong("E004", "own port", WSREQUEST_ALLOWED_ORIGINS=["HTTPS://a.example:443"]),
    wrong("E005", "request.META", WSREQUEST_FORBIDDEN_HEADERS=["HTTP_X_USER"]),
    wrong("E005", "is not the name", WSREQUEST_FORBIDDEN_HEADERS=["X_User"]),
    wrong("E005", "is not the name", WSREQUEST_FORBIDDEN_HEADERS=["X-User: "]),
    wrong("E005", "in WSREQUEST_FORBIDDEN_HEADERS has a star", WSREQUEST_FORBIDDEN_HEADERS=["*"]),
    wrong("E005", "matches nothing", WSREQUEST_FORBIDDEN_HEADERS=["X-*-User"]),
    wrong("E005", "in WSREQUEST_PER_REQUEST_HEADERS is", WSREQUEST_PER_REQUEST_HEADERS=["X_A"]),
    wrong("E008", "begin with a slash", WSREQUEST_EXCLUDED_PATHS=["admin/"]),
    wrong("E008", "holds '*'", WSREQUEST_EXCLUDED_PATHS=["/admin/*"]),
    wrong("E008", "holds '%'", WSREQUEST_EXCLUDED_PATHS=["/%61dmin/"]),
    wrong(
        "E008",
        "begins with the script name '/app'",
        FORCE_SCRIPT_NAME="/app/",
        WSREQUEST_EXCLUDED_PATHS=["/app/admin/"],
    ),
    wrong("E008", "in WSREQUEST_HTTP_DJANGO_PATHS", WSREQUEST_HTTP_DJANGO_PATHS=["admin/"]),
    wrong("E012", "is 'wsgi'", WSREQUEST_HTTP="wsgi"),
    wrong("E009", "names no bus", "redis://", WSREQUEST_BUS="amqp://127.0.0.1/"),
    wrong("E009", "is not a URL", WSREQUEST_BUS="redis://127.0.0.1:port/"),
    wrong(
        "E009",
        "is 'redis+sentinel://:***@127.0.0.1', which names no service",
        WSREQUEST_BUS="redis+sentinel://:secret@127.0.0.1",
    ),
    wrong("E010", "which is not the URL of a log", WSREQUEST_RELAYED_LOG="redis://127.0.0.1/"),
    wrong("E010", "which names the database 'a'", WSREQUEST_RELAYED_LOG="postgresql+log://a"),
    wrong("W042", "reaches one process only", "docs/processes.md", WSREQUEST_BUS="memory://"),
    wrong("I002", "The admin is installed", INSTALLED_APPS=[*APPS, "django.contrib.admin"]),
    wrong("E006", "is 'Bearer ', which is not one word.", WSREQUEST_TOKEN_SCHEME="Bearer "),
    wrong(
        "E007",
        "PortalUserAuthentication logs in",
        REST_FRAMEWORK=authenticated_by(f"{__name__}.PortalUserAuthentication"),
    ),
    wrong(
        "E007",
        "whoever the header X-Portal-User names",
        'Add "X-Portal-User" to',
        MIDDLEWARE=[f"{__name__}.PortalUserMiddleware"],
    ),
    *(
        wrong("E007", "PortalUserAuthentication logs in whoever", ROOT_URLCONF=urls)
        for urls in (Deep, GivenToTheView, OfAFunction, OfAnAction)
    ),
    wrong("W001", "WSREQUEST_TREADS", "Did you mean WSREQUEST_THREADS?", WSREQUEST_TREADS=4),
    wrong(
        "W001",
        "WSREQUEST_LIVE_RUNS",
        "Its name is WSREQUEST_LIVE_MAX_CONCURRENT_RUNS now.",
        WSREQUEST_LIVE_RUNS=4,
    ),
    wrong("W001", "WSREQUEST_ZZZZZZ", "Take it out", WSREQUEST_ZZZZZZ=4),
    wrong("W002", "is '/socket', without the slash", WSREQUEST_PATH="/socket"),
    wrong("W003", "the path of the view", ROOT_URLCONF=__name__, WSREQUEST_PATH="/taken/"),
    wrong("W003", "below STATIC_URL", WSREQUEST_PATH="/static/ws/"),
    wrong("W004", "(4) is less than WSREQUEST_THREADS (8)", WSREQUEST_MAX_THREADS=4),
    wrong("W004", "fills the connection", WSREQUEST_MAX_OUTBOUND_BYTES=2**15),
    wrong("W004", "than it takes", WSREQUEST_MAX_MESSAGE_BYTES=2**15),
    wrong("W004", "ever fills the window", WSREQUEST_MAX_BODY_BYTES=2**19),
    wrong(
        "W004",
        "as large as it may",
        WSREQUEST_MAX_PENDING_REQUEST_BYTES=2**20,
        WSREQUEST_MAX_LIVE_BYTES=2**20,
        WSREQUEST_MAX_LIVE_BYTES_PER_ADDRESS=2**20,
    ),
    wrong(
        "W004",
        "every thread",
        "lower WSREQUEST_LIVE_MAX_CONCURRENT_RUNS",
        WSREQUEST_LIVE_MAX_CONCURRENT_RUNS=9,
    ),
    wrong("W004", "(3) is less than WSREQUEST_LIVE_MAX_CONCURRENT_RUNS (4)", WSREQUEST_THREADS=3),
    wrong("W004", "one address can hold all", WSREQUEST_MAX_LIVE_BYTES=2**25),
    wrong("W004", "the place of all others", WSREQUEST_PUSH_EVENT_BYTES=2**25),
    wrong("W004", "keep out all others", WSREQUEST_MAX_PENDING_REQUEST_BYTES=2**27),
    wrong("W005", "uvicorn closes", WSREQUEST_MAX_MESSAGE_BYTES=2**24 + 1),
    wrong("W006", "is 60, but proxies", WSREQUEST_PING_SECONDS=60),
    wrong(
        "W016",
        "SESSION_COOKIE_PATH is '/app/', so browsers do not send that cookie with the handshake "
        "at /ws/: each message has no session.",
        'WSREQUEST_PATH = "/app/ws/"',
        SESSION_COOKIE_PATH="/app/",
    ),
    wrong("W016", "at /apple/ws/", SESSION_COOKIE_PATH="/app", FORCE_SCRIPT_NAME="/apple"),
    wrong("W016", "another language", LANGUAGE_COOKIE_PATH="/de/"),
    wrong("W016", "another CSRF token", CSRF_COOKIE_PATH="/forms"),
    wrong(
        "W027",
        "begins with FORCE_SCRIPT_NAME ('/app')",
        'WSREQUEST_PATH = "/ws/"',
        WSREQUEST_PATH="/app/ws/",
        FORCE_SCRIPT_NAME="/app/",
    ),
    wrong(
        "W007",
        'below "django.contrib.staticfiles"',
        INSTALLED_APPS=[*(app for app in APPS if app != "wsrequest"), "wsrequest"],
    ),
    wrong(
        "W008",
        "ModuleNotFoundError: No module named 'no_such_module'",
        ASGI_APPLICATION="no_such_module.application",
    ),
    wrong("W009", "(plain_asgi.application)", ASGI_APPLICATION="plain_asgi.application"),
    wrong(
        "W012",
        'becomes "Authorization: JWT …", but TokenAuthentication reads "Token …"',
        'WSREQUEST_TOKEN_SCHEME = "Token"',
        REST_FRAMEWORK=authenticated_by(TOKENS, SESSIONS),
    ),
    wrong(
        "W040",
        "SessionAuthentication stands first in DEFAULT_AUTHENTICATION_CLASSES",
        "[JWTAuthentication, SessionAuthentication]",
        REST_FRAMEWORK=authenticated_by(SESSIONS, SIMPLE_JWT),
        WSREQUEST_TOKEN_SCHEME="Bearer",
    ),
    wrong(
        "W040",
        "answers an expired token of KeyAuthentication with 403",
        REST_FRAMEWORK=authenticated_by(SESSIONS, BASIC, f"{__name__}.KeyAuthentication"),
        WSREQUEST_TOKEN_SCHEME="Key",
    ),
    wrong(
        "W012",
        'but JWTAuthentication reads "Bearer …"',
        'WSREQUEST_TOKEN_SCHEME = "Bearer"',
        REST_FRAMEWORK=authenticated_by(SIMPLE_JWT),
    ),
    wrong(
        "W012",
        'but KeyAuthentication reads "Key …"',
        REST_FRAMEWORK=authenticated_by(f"{__name__}.KeyAuthentication"),
    ),
    wrong(
        "W012",
        'but JWTAuthentication reads "Access …"',
        REST_FRAMEWORK=authenticated_by(SIMPLE_JWT),
        SIMPLE_JWT={"AUTH_HEADER_TYPES": "Access"},
    ),
    wrong(
        "W013",
        "names 'replica', which is not in DATABASES",
        "as DATABASES does (default, other)",
        WSREQUEST_LIVE_REPLICAS={"default": ["replica"]},
    ),
    wrong(
        "W013",
        "names 'primary', which is not in DATABASES",
        WSREQUEST_LIVE_REPLICAS={"primary": ["default"]},
    ),
    wrong(
        "W014",
        "HashedOnlyStorage delete live.js, room.js and upload.js",
        **stored_by(f"{__name__}.HashedOnlyStorage"),
    ),
    wrong(
        "W051",
        "above django.middleware.gzip.GZipMiddleware, which compresses pages before",
        MIDDLEWARE=[LIVE_PAGES, "django.middleware.gzip.GZipMiddleware"],
    ),
    wrong(
        "W051",
        "below django.contrib.sessions.middleware.SessionMiddleware, which sets cookies behind",
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", LIVE_PAGES],
    ),
    wrong(
        "W019",
        "has '**', which matches every key",
        WSREQUEST_LIVE_IGNORED_CACHE_KEYS=["hits:*", "**"],
    ),
    wrong(
        "W038",
        "'(' in WSREQUEST_LIVE_IGNORED_CONTENT is not a regular expression",
        WSREQUEST_LIVE_IGNORED_CONTENT=["a+", "("],
    ),
    wrong(
        "W038",
        "'a*' in WSREQUEST_LIVE_IGNORED_CONTENT matches the empty text, and so matches everywhere",
        WSREQUEST_LIVE_IGNORED_CONTENT=["a*"],
    ),
    wrong("W039", "which cannot be imported", WSREQUEST_LIVE_REWRITER="nowhere.rewrite"),
    wrong("W039", "which is not a function", WSREQUEST_LIVE_REWRITER=f"{__name__}.WRONG"),
    wrong(
        "E013",
        'is in INSTALLED_APPS without "django.contrib.admin".',
        INSTALLED_APPS=[*APPS, "wsrequest.contrib.admin"],
    ),
    wrong(
        "W049",
        "no page of the admin is live",
        WSREQUEST_MAX_SUBSCRIPTIONS=0,
        WSREQUEST_EXCLUDED_PATHS=["/metrics/"],
        INSTALLED_APPS=LIVE_ADMIN,
    ),
    wrong(
        "W050",
        "has /admin/, so no page of this admin is live.",
        WSREQUEST_EXCLUDED_PATHS=["/admin/"],
        INSTALLED_APPS=LIVE_ADMIN,
        ROOT_URLCONF=WithAdmin,
    ),
    wrong("W020", 'ALLOWED_HOSTS has "*"', ALLOWED_HOSTS=["a.example", "*"]),
    wrong("W021", "is None,", SESSION_COOKIE_SAMESITE=None),
    wrong("W021", "is 'None',", SESSION_COOKIE_SAMESITE="None"),
    wrong("W021", "is False,", SESSION_COOKIE_SAMESITE=False),
    wrong("W022", "without SECURE_PROXY_SSL_HEADER", SECURE_SSL_REDIRECT=True),
    wrong(
        "W023",
        "wait in the cache 'default' to be made the browser's, where each process has its own.",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        CACHES=LOCAL_MEMORY,
    ),
    wrong(
        "W023",
        "where nothing is kept.",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        CACHES=DUMMY,
    ),
    wrong(
        "W023",
        "where each process has its own.",
        INSTALLED_APPS=["wsrequest"],
        CACHES=LOCAL_MEMORY,
    ),
    wrong(
        "W023",
        "where each process has its own.",
        SESSION_ENGINE="tests.unit.other_sessions",
        CACHES=LOCAL_MEMORY,
    ),
    wrong("W024", "'http://a.example'", WSREQUEST_ALLOWED_ORIGINS=["http://a.example"]),
    wrong("I001", "No ASGI application", ASGI_APPLICATION=None, WSGI_APPLICATION=None),
    wrong(
        "I001", "No ASGI application", ASGI_APPLICATION=None, WSGI_APPLICATION="no_such.wsgi.app"
    ),
]

RIGHT = [
    {},
    {"SESSION_ENGINE": "django.contrib.sessions.backends.file", "CACHES": LOCAL_MEMORY},
    {"SESSION_ENGINE": "tests.no_such_sessions", "CACHES": LOCAL_MEMORY},
    {"WSREQUEST_REQUEST_SECONDS": 5},
    {"INSTALLED_APPS": [*APPS, "django.contrib.admin", "wsrequest.contrib.admin"]},
    {"WSREQUEST_ALLOWED_ORIGINS": {"https://a.example:8443", "capacitor://localhost"}},
    {"WSREQUEST_ALLOWED_ORIGINS": ("https://[2001:db8::1]:8443", "HTTPS://A.EXAMPLE")},
    {"WSREQUEST_FORBIDDEN_HEADERS": ("x-portal-user", "X-2", "X-Acme-*")},
    {"WSREQUEST_PER_REQUEST_HEADERS": ("x-attempt", "X-Acme-*")},
    {"SESSION_COOKIE_PATH": "/app", "WSREQUEST_PATH": "/app/ws/"},
    {"SESSION_COOKIE_PATH": "/app", "FORCE_SCRIPT_NAME": "/app/"},
    {"SESSION_COOKIE_PATH": "/ws/", "CSRF_COOKIE_PATH": "/ws"},
    {"LANGUAGE_COOKIE_PATH": "/de/", "MIDDLEWARE": []},
    {"WSREQUEST_TOKEN_SCHEME": "Bearer"},
    {
        "INSTALLED_APPS": [*APPS, "django.contrib.admin"],
        "WSREQUEST_EXCLUDED_PATHS": ["/admin/", "/"],
    },
    {"FORCE_SCRIPT_NAME": "/app", "WSREQUEST_EXCLUDED_PATHS": ["/apple/", "/metrics"]},
    {"WSREQUEST_PATH": "/a-z/öffentlich/~x/"},
    {"WSREQUEST_PATH": "/socket", "APPEND_SLASH": False},
    {"WSREQUEST_PATH": "/socket", "MIDDLEWARE": []},
    {"ROOT_URLCONF": CatchAll},
    {"ROOT_URLCONF": "no.such.urls"},
    {"WSREQUEST_MAX_MESSAGE_BYTES": 2**24},
    {"WSREQUEST_WINDOW_BYTES": 2**22},
    {"WSREQUEST_PING_SECONDS": 59.9},
    {"MIDDLEWARE": [f"{__name__}.ProxiedUserMiddleware", f"{__name__}.OwnMiddleware"]},
    {"MIDDLEWARE": [REMOTE_USER, "no.such.Middleware"]},
    {"REST_FRAMEWORK": authenticated_by("rest_framework.authentication.RemoteUserAuthentication")},
    {
        "REST_FRAMEWORK": authenticated_by(f"{__name__}.PortalUserAuthentication"),
        "WSREQUEST_FORBIDDEN_HEADERS": ["X-Portal-User"],
    },
    {"ROOT_URLCONF": Deep, "WSREQUEST_FORBIDDEN_HEADERS": ["X-Portal-User"]},
    {
        "MIDDLEWARE": [f"{__name__}.PortalUserMiddleware"],
        "WSREQUEST_FORBIDDEN_HEADERS": ["X-PORTAL-*"],
    },
    {"REST_FRAMEWORK": authenticated_by(TOKENS), "WSREQUEST_TOKEN_SCHEME": "Token"},
    {"REST_FRAMEWORK": authenticated_by(SESSIONS, "no.such.Authentication")},
    {"REST_FRAMEWORK": authenticated_by(SESSIONS, BASIC)},
    {
        "REST_FRAMEWORK": authenticated_by(BASIC, SESSIONS, TOKENS),
        "WSREQUEST_TOKEN_SCHEME": "Token",
    },
    {
        "REST_FRAMEWORK": authenticated_by(f"{__name__}.AskingSessions", TOKENS),
        "WSREQUEST_TOKEN_SCHEME": "Token",
    },
    {"REST_FRAMEWORK": None},
    {
        "REST_FRAMEWORK": authenticated_by(TOKENS, SIMPLE_JWT),
        "SIMPLE_JWT": {"AUTH_HEADER_TYPES": ("Bearer", "JWT")},
    },
    {"WSREQUEST_THREADS": 4},
    {"WSREQUEST_THREADS": 3, "WSREQUEST_MAX_SUBSCRIPTIONS": 0},
    {"WSREQUEST_LIVE_REPLICAS": {"no": ["such"]}, "WSREQUEST_MAX_SUBSCRIPTIONS": 0},
    {"WSREQUEST_LIVE_REPLICAS": {"default": []}},
    stored_by(f"{__name__}.HashedOnlyStorage", only_hashed=False),
    stored_by(f"{__name__}.RewritingStorage"),
    stored_by("django.contrib.staticfiles.storage.ManifestStaticFilesStorage"),
    stored_by("django.contrib.staticfiles.storage.StaticFilesStorage"),
    stored_by("no.such.Storage"),
    {"STORAGES": {}, "WHITENOISE_KEEP_ONLY_HASHED_FILES": True},
    {"ASGI_APPLICATION": None, "WSGI_APPLICATION": "tests.project.wsgi.application"},
    {"INSTALLED_APPS": [app for app in APPS if app != "django.contrib.staticfiles"]},
    {"SESSION_COOKIE_SAMESITE": "Strict"},
    {
        "SECURE_SSL_REDIRECT": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    },
    {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db", "CACHES": LOCAL_MEMORY},
    {
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache"}},
    },
]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module ``plain_asgi``, with the application of a project that was not touched."""
    made = ModuleType("plain_asgi")
    made.application = get_django_application()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plain_asgi", made)
    yield made


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(("id", "sentence", "hint", "changes"), WRONG)
def test_check_finds(id: str, sentence: str, hint: str, changes: dict[str, Any]) -> None:
    messages = found(**changes)
    assert [message.id for message in messages] == [f"wsrequest.{id}"]
    assert sentence in messages[0].msg
    assert hint in (messages[0].hint or "")
    assert messages[0].hint
    assert messages[0].is_serious(level=40) == id.startswith("E")
    assert "{" not in messages[0].msg + messages[0].hint


@pytest.mark.parametrize("changes", RIGHT, ids=str)
def test_check_finds_nothing_in(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


def test_check_finds_each_thing_that_is_wrong() -> None:
    changes = {"WSREQUEST_THREADS": 0, "WSREQUEST_PATH": "ws", "WSREQUEST_PING_SECONDS": 99}
    assert sorted(ids(**changes)) == ["E002", "E003", "W006"]


def test_check_of_live_pages_knows_the_place_of_their_middleware() -> None:
    gzip, session = "django.middleware.gzip.GZipMiddleware", "django.contrib.sessions.middleware."
    assert ids(MIDDLEWARE=[gzip, LIVE_PAGES, f"{session}SessionMiddleware"]) == []


def test_check_of_metrics_finds_that_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrequest.faults.find_spec", lambda name: None)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert list(faults()) == []  # nobody asks for them
    with override_settings(WSREQUEST_METRICS=True):
        (fault,) = faults()
        assert "prometheus_client is not installed" in str(fault)
        assert 'pip install "django-websocket-request[metrics]"' in str(fault)
        with pytest.raises(ImproperlyConfigured, match=r"\(wsrequest\.E011\)"):
            demand_sound()


def test_check_of_metrics_finds_a_directory_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    with override_settings(WSREQUEST_METRICS=True):
        (fault,) = faults()
        assert fault.id == "wsrequest.E011" and "gone', which is not a directory" in str(fault)
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        assert list(faults()) == []


def test_check_of_deployment_is_for_deployment() -> None:
    with override_settings(ALLOWED_HOSTS=["*"], SECURE_SSL_REDIRECT=True):
        assert run_checks(tags=["wsrequest"]) == []


def test_check_reports_a_wrong_type_once_whatever_builds_on_it() -> None:
    for name in (
        *("THREADS", "MAX_MESSAGE_BYTES", "FORBIDDEN_HEADERS", "ALLOWED_ORIGINS", "PATH"),
        *("LIVE_REPLICAS", "LIVE_MAX_CONCURRENT_RUNS", "MAX_SUBSCRIPTIONS"),
    ):
        assert ids(**{f"WSREQUEST_{name}": object()}) == ["E001"], name


def test_check_of_message_size_knows_daphne() -> None:
    with override_settings(WSREQUEST_MAX_MESSAGE_BYTES=2**20 + 1):
        assert run_checks(tags=["wsrequest"]) == []
    changed = found(INSTALLED_APPS=[*APPS, "daphne"], WSREQUEST_MAX_MESSAGE_BYTES=2**20 + 1)
    assert [(message.id, "daphne closes" in message.msg) for message in changed] == [
        ("wsrequest.W005", True)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"MIDDLEWARE": [REMOTE_USER]},
        {
            "REST_FRAMEWORK": authenticated_by(
                "rest_framework.authentication.RemoteUserAuthentication"
            )
        },
        {"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [RemoteUserAuthentication]}},
    ],
    ids=["middleware", "rest-framework", "rest-framework-by-class"],
)
@pytest.mark.parametrize("application", [None, "plain_asgi.application", "no_such.asgi.app"])
def test_check_of_users_finds_who_waits_for_a_wsgi_server(
    module: ModuleType, application: str | None, changes: dict[str, Any]
) -> None:
    beside = {"ASGI_APPLICATION": application, "WSGI_APPLICATION": None, **changes}
    messages = [message for message in found(**beside) if message.id == "wsrequest.W015"]
    assert len(messages) == 1
    assert 'request.META["REMOTE_USER"]' in messages[0].msg
    assert "PersistentRemoteUserMiddleware" in (messages[0].hint or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"MIDDLEWARE": ["django.contrib.auth.middleware.PersistentRemoteUserMiddleware"]},
        {"MIDDLEWARE": [f"{__name__}.ProxiedUserMiddleware"]},
        {"MIDDLEWARE": [REMOTE_USER], "WSGI_APPLICATION": "tests.project.wsgi.application"},
        {"MIDDLEWARE": [REMOTE_USER], "WSREQUEST_PATH": "ws"},  # E003: no application is made
    ],
    ids=["persistent", "by-a-header", "beside-an-asgi.py", "faults"],
)
def test_check_of_users_has_nothing_to_say_of(changes: dict[str, Any]) -> None:
    assert "W015" not in ids(ASGI_APPLICATION=None, **changes)


def test_check_of_headers_knows_both_halves_of_the_middleware() -> None:
    """Django before 6.1 has another key in its asynchronous half."""
    is_found = "E007" in ids(MIDDLEWARE=[f"{__name__}.CertificateMiddleware"])
    assert is_found == (not hasattr(RemoteUserMiddleware, "get_username"))


def test_check_of_databases_finds_sqlite_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = "django.db.backends.sqlite3"
    for name in (":memory:", "file:a?mode=memory"):
        monkeypatch.setitem(settings.DATABASES, "spare", {"ENGINE": engine, "NAME": name})
        assert ids() == ["W010"]
    shared = {"ENGINE": engine, "NAME": "file:a?mode=memory&cache=shared"}
    monkeypatch.setitem(settings.DATABASES, "spare", shared)  # as Django's test runner makes it
    assert ids() == []


def test_check_of_databases_finds_a_pool_that_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ids_with(pool: object, backend: str = "postgresql") -> list[str]:
        database = {"ENGINE": f"django.db.backends.{backend}", "OPTIONS": {"pool": pool}}
        monkeypatch.setitem(settings.DATABASES, "spare", database)
        return ids(WSREQUEST_THREADS=6)

    assert ids_with(True) == ids_with({"timeout": 1}) == ids_with({"max_size": 5}) == ["W011"]
    assert ids_with(False) == ids_with({"max_size": 6}) == ids_with({"min_size": 6}) == []
    assert ids_with(True, "oracle") == []  # whose options are others


@pytest.mark.parametrize(
    ("installed", "expected"),
    [("4.2.1", ["W025"]), ("4.1", ["W025"]), ("4.2.2", []), ("4.10.0", []), (None, [])],
)
def test_check_of_versions_finds_a_server_with_holes(
    installed: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package != "daphne" or installed is None:
            raise PackageNotFoundError(package)
        return installed

    monkeypatch.setattr(deployment, "version", version)
    assert ids() == expected


def test_check_of_runserver_lets_one_pass_that_builds_on_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(app: str, runserver: str) -> None:
        commands = tmp_path / app / "management" / "commands"
        commands.mkdir(parents=True)
        for directory in (tmp_path / app, commands.parent, commands):
            (directory / "__init__.py").touch()
        (commands / "runserver.py").write_text(runserver)

    install("app_on_ours", "from wsrequest.management.commands.runserver import Command as Command")
    install("app_broken", "raise OSError")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ids(INSTALLED_APPS=["app_on_ours", *APPS]) == []
    assert ids(INSTALLED_APPS=["app_broken", *APPS]) == ["W007"]
    assert ids(INSTALLED_APPS=[*APPS, "app_broken"]) == []


def test_check_of_application_waits_while_it_is_imported(module: ModuleType) -> None:
    module.__spec__ = ModuleSpec("plain_asgi", None)
    module.__spec__._initializing = True  # type: ignore[attr-defined]
    assert look_up("plain_asgi.application") is None
    assert ids(ASGI_APPLICATION="plain_asgi.application") == []


def test_check_of_application_survives_a_path_that_is_none() -> None:
    assert ids(ASGI_APPLICATION=7) == ["W008"]


class Wrapper:
    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped


class SlottedWrapper:
    __slots__ = ("unset", "wrapped")

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped


class OneSlotWrapper:
    __slots__ = "wrapped"

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped

    def method(self) -> None:
        """Serves as a bound method."""


def closed_over(wrapped: object) -> object:
    def wrapper() -> object:
        return wrapped, later

    if wrapped is None:
        later = None  # a cell that stays empty
    return wrapper


def module_of(text: str) -> Callable[[object], Any]:
    """What makes the ``application`` of a module with this text, and with ``wrapped`` in it."""

    def wrap(wrapped: object) -> Any:
        names = {"wrapped": wrapped}
        exec(text, names)
        return names["application"]

    return wrap


FUNCTION = """
async def application(scope, receive, send):
    await (wrapped if scope["type"] == "websocket" else plain)(scope, receive, send)
"""
FUNCTIONS = """
async def dispatch(scope, receive, send):
    def chosen():
        return wrapped
    await chosen()(scope, receive, send)

async def application(scope, receive, send):
    await dispatch(scope, receive, send)
"""
INSTANCE = """
class Dispatcher:
    async def __call__(self, scope, receive, send):
        await self.serve(scope, receive, send)

    async def serve(self, scope, receive, send):
        await wrapped(scope, receive, send)

application = Dispatcher()
"""


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda application: application, id="itself"),
        pytest.param(module_of(FUNCTION), id="a global of a function"),
        pytest.param(module_of(FUNCTIONS), id="a global of a function that it calls"),
        pytest.param(module_of(INSTANCE), id="a global of a method"),
        pytest.param(Wrapper, id="an attribute"),
        pytest.param(SlottedWrapper, id="a slot"),
        pytest.param(lambda application: OneSlotWrapper(application).method, id="a bound method"),
        pytest.param(lambda application: {"http": None, "websocket": application}, id="a dict"),
        pytest.param(lambda application: Wrapper([(application,)]), id="lists"),
        pytest.param(lambda application: partial(print, application), id="partial"),
        pytest.param(lambda application: partial(print, file=application), id="partial, named"),
        pytest.param(closed_over, id="a closure"),
    ],
)
def test_find_socket_looks_through(wrap: Any) -> None:
    application = get_asgi_application()
    wrapped = wrap(Wrapper(wrap(application)) if wrap is not Wrapper else application)
    assert find_socket(wrapped) is application
    assert find_socket(wrap(Wrapper("nothing"))) is None


def test_cache_that_live_requests_cannot_see_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    is_installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "cacheops" or is_installed(name))
    (found,) = check_caches()
    assert found.id == "wsrequest.W030" and "past Django's caches" in found.msg
    for changed in ({"CACHEOPS_ENABLED": False}, {"WSREQUEST_MAX_SUBSCRIPTIONS": 0}):
        with override_settings(**changed):
            assert check_caches() == []
    monkeypatch.undo()
    assert check_caches() == []


async def served_by_a_function(scope: Any, receive: Any, send: Any) -> None:
    """As an application is written that dispatches by hand."""


class ServedByAnObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As ASGI middleware is written."""


class ServedByAMethod:
    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """As an application may also be written."""


def returns_a_coroutine(scope: Any, receive: Any, send: Any) -> Any:
    return served_by_a_function(scope, receive, send)


@pytest.mark.parametrize(
    ("application", "is_sound"),
    [
        pytest.param(served_by_a_function, True, id="function"),
        pytest.param(ServedByAnObject(), True, id="object"),
        pytest.param(partial(served_by_a_function), False, id="partial"),
        pytest.param(partial(ServedByAnObject()), False, id="partial-of-an-object"),
        pytest.param(ServedByAMethod().serve, False, id="method"),
        pytest.param({"websocket": served_by_a_function}, False, id="dict"),
        pytest.param(returns_a_coroutine, False, id="function-that-returns-a-coroutine"),
        pytest.param(ServedByAnObject, True, id="class-that-needs-no-arguments"),
        pytest.param(partial(get_asgi_application), True, id="partial-that-needs-no-arguments"),
    ],
)
def test_application_that_uvicorn_takes_for_asgi_2_is_named(
    application: Any, is_sound: bool, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    config.load()
    assert (config.interface == "asgi3") is is_sound
    found = Found(application, socket=get_asgi_application())
    monkeypatch.setattr(project, "look_up", lambda path: found)
    expected = [] if is_sound else ["W041"]
    assert ids(ASGI_APPLICATION="plain_asgi.application") == expected


def test_find_socket_evaluates_no_lazy_object_that_code_names() -> None:
    def never() -> object:
        pytest.fail("evaluated")

    text = "async def application(scope, receive, send):\n    wrapped\n"
    assert find_socket(module_of(text)(SimpleLazyObject(never))) is None
    assert find_socket(module_of(text)(lazy(never, object)())) is None


class Failing:
    """Fails wherever it is looked into, as a proxy of nothing does."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("out of context")


def test_find_socket_goes_on_behind_an_object_that_fails() -> None:
    application = get_asgi_application()
    assert find_socket([Failing(), application]) is application
    text = "async def application(scope, receive, send):\n    wrapped\n"
    assert find_socket(module_of(text)(Failing())) is None


def test_find_socket_comes_to_an_end() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert find_socket(circle) is None
    assert find_socket([[n] for n in range(5000)]) is None


def test_look_up_tells_what_it_found(module: ModuleType) -> None:
    found = look_up("tests.project.asgi.application")
    assert found is not None
    assert isinstance(found.socket, Application)
    assert found.application is found.socket
    plain = look_up("plain_asgi.application")
    assert plain is not None
    assert (plain.application, plain.socket) == (vars(module)["application"], None)


def test_every_check_is_tried() -> None:
    tried = {parameter.values[0] for parameter in WRONG} | {
        "W010",
        "W011",
        "W015",
        "W018",
        "W025",
        "W030",
        "W041",
        "E011",
        # tests/live/test_publication.py
        *("W043", "W044", "W045", "W046", "W047", "W048"),
    }
    assert {f"wsrequest.{id}" for id in tried} == set(CHECKS)


def test_check_finds_a_replica_that_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    primary = {"ENGINE": "django.db.backends.postgresql", "NAME": "app", "HOST": "a"}
    monkeypatch.setitem(settings.DATABASES, "first", primary)
    monkeypatch.setitem(settings.DATABASES, "replica", {**primary, "HOST": "b"})
    (found,) = project.check_copies()
    assert found.id == "wsrequest.W018"
    assert "DATABASES has 'replica' with the name of 'first' on another server" in found.msg
    with override_settings(WSREQUEST_LIVE_REPLICAS={"first": ["replica"]}):
        assert project.check_copies() == []
    with override_settings(WSREQUEST_MAX_SUBSCRIPTIONS=0):
        assert project.check_copies() == []
    mirrored = {**primary, "HOST": "b", "TEST": {"MIRROR": "first"}}
    monkeypatch.setitem(settings.DATABASES, "replica", mirrored)
    assert project.check_copies() == []
    monkeypatch.setitem(settings.DATABASES, "replica", primary)  # one database, which is seen
    assert project.check_copies() == []


@pytest.mark.parametrize(
    ("classes", "status"),
    [
        ([SessionAuthentication, JWTAuthentication], 403),
        ([JWTAuthentication, SessionAuthentication], 401),
    ],
)
def test_order_of_the_classes_decides_what_an_expired_token_is_answered(
    classes: list[type], status: int
) -> None:
    token = AccessToken()
    token.set_exp(lifetime=timedelta(seconds=-1))
    expired = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})

    class Answers(APIView):
        authentication_classes = classes

    assert Answers.as_view()(expired).status_code == status
