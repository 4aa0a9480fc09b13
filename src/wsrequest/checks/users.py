"""Users that a proxy names: no message can choose its user, and each message can have one.

The checks look for Django's RemoteUserMiddleware and REST framework's RemoteUserAuthentication.
They find both by name, because the modules load models of applications that may not be installed.
A class of the framework can be named in the settings, or on one view of the URLconf.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.checks import CheckMessage, register
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from wsrequest.checks.table import TAG, message
from wsrequest.conf import conf
from wsrequest.faults import faults, sound
from wsrequest.management.applications import look_up
from wsrequest.protocol.headers import HeaderNames, is_forbidden

__all__ = ["check_named_users", "check_naming_headers"]


class _Reader(NamedTuple):
    """A class that trusts one key of request.META.

    Attributes:
        path: where the project names it.
        kind: the class.
        key: the key.
    """

    path: str
    kind: Any
    key: str

    @property
    def headers(self) -> Iterator[str]:
        """The headers that can set the key."""
        key = self.key
        if not key.startswith("HTTP_"):
            # Without HTTP_ it is a variable of the server, which no header can set. But before
            # Django 6.1, the asynchronous half of the middleware puts HTTP_ before it.
            if not hasattr(self.kind, "aprocess_request") or hasattr(self.kind, "get_username"):
                return
            key = f"HTTP_{key}"
        yield key.removeprefix("HTTP_").replace("_", "-").title()


@register(TAG)
def check_naming_headers(**kwargs: Any) -> list[CheckMessage]:
    """No message can set the header in which a proxy names the user."""
    forbidden = conf.trusted_proxy_headers if sound("FORBIDDEN_HEADERS") else HeaderNames()
    return [
        message("wsrequest.E007", reader=reader.path, header=name)
        for reader in _readers()
        for name in reader.headers
        if not is_forbidden(name.lower()) and name.lower() not in forbidden
    ]


@register(TAG)
def check_named_users(**kwargs: Any) -> list[CheckMessage]:
    """If a WSGI server names the user, messages do not depend on it."""
    messages = [
        message("wsrequest.W015", reader=reader.path, key=reader.key)
        for reader in _readers()
        if not reader.key.startswith("HTTP_")
        and getattr(reader.kind, "force_logout_if_no_header", True)
    ]
    return messages if messages and _is_beside_wsgi() else []


def _readers() -> Iterator[_Reader]:
    framework = conf.django("REST_FRAMEWORK") or {}
    defaults = framework.get("DEFAULT_AUTHENTICATION_CLASSES") or ()
    named = [
        *(("RemoteUserMiddleware", one) for one in conf.django("MIDDLEWARE", ())),
        *(("RemoteUserAuthentication", one) for one in defaults),
        *(("RemoteUserAuthentication", one) for one in _classes_of_views()),
    ]
    seen = set()
    for base, one in named:
        try:
            kind = import_string(one) if isinstance(one, str) else one
        except Exception:  # Django, or REST framework, fails on it with an error of its own
            continue
        if kind in seen or base not in {each.__name__ for each in getattr(kind, "__mro__", ())}:
            continue
        seen.add(kind)
        path = one if isinstance(one, str) else f"{kind.__module__}.{kind.__qualname__}"
        yield _Reader(path, kind, str(getattr(kind, "header", "")))


def _classes_of_views() -> list[type]:
    """Return the authentication classes of REST framework's views, in the order of the URLconf."""
    classes: list[type] = []
    for view in _views():
        own = getattr(view, "initkwargs", None) or {}  # of as_view(), or of @action in a view set
        named = own.get("authentication_classes") or getattr(
            getattr(view, "cls", None), "authentication_classes", ()
        )
        if isinstance(named, list | tuple):  # REST framework itself fails on anything else
            classes += (kind for kind in named if isinstance(kind, type))
    return classes


def _views() -> Iterator[Any]:
    """Yield each view of the URLconf, or nothing if it cannot be loaded."""
    try:
        left = [*get_resolver().url_patterns]
    except Exception:  # which Django's own checks report
        return
    while left:
        pattern = left.pop(0)
        if isinstance(pattern, URLResolver):
            try:
                left[:0] = pattern.url_patterns
            except Exception:
                continue
        else:
            yield pattern.callback


def _is_beside_wsgi() -> bool:
    """Whether no known ASGI application serves the socket along with the project's HTTP."""
    if any(faults()):  # an application is not made while settings are wrong
        return False
    package = str(conf.django("WSGI_APPLICATION") or "").partition(".wsgi.")[0]
    usual = f"{package}.asgi.application" if package else None  # where startproject puts it
    path = conf.django("ASGI_APPLICATION") or usual
    if not path:
        return True
    application = look_up(path)
    return application is not None and application.socket is None
