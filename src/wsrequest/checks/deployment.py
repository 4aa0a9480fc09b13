"""What is fine in development but not in production: ``manage.py check --deploy``."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.utils.version import get_version_tuple

from wsrequest.checks.table import TAG, message
from wsrequest.conf import conf
from wsrequest.faults import sound
from wsrequest.management.applications import look_up
from wsrequest.server.ticket_store import cache_of

__all__ = [
    "check_bus",
    "check_excluded_paths",
    "check_hosts",
    "check_known_application",
    "check_origins",
    "check_proxy",
    "check_tickets",
    "check_versions",
]

# Package, the first fixed version, the advisories.
_HOLES = (("daphne", (4, 2, 2), "CVE-2026-44545, CVE-2026-44546"),)

_CACHES = "django.core.cache.backends."
_FAULTS = {
    _CACHES + "locmem.LocMemCache": "each process has its own",
    _CACHES + "dummy.DummyCache": "nothing is kept",
}


@register(TAG, deploy=True)
def check_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Two defenses against pages of other sites are in place, besides the Origin check."""
    messages = []
    if "*" in conf.django("ALLOWED_HOSTS", ()):
        messages.append(message("wsrequest.W020"))
    same_site = conf.django("SESSION_COOKIE_SAMESITE")
    if conf.session_engine is not None and str(same_site).lower() not in ("lax", "strict"):
        messages.append(message("wsrequest.W021", value=repr(same_site)))
    return messages


@register(TAG, deploy=True)
def check_proxy(**kwargs: Any) -> list[CheckMessage]:
    """Django can see that a message came over TLS."""
    if conf.django("SECURE_SSL_REDIRECT") and not conf.django("SECURE_PROXY_SSL_HEADER"):
        return [message("wsrequest.W022")]
    return []


@register(TAG, deploy=True)
def check_tickets(**kwargs: Any) -> list[CheckMessage]:
    """A ticket that one process issues can be redeemed at another (PROTOCOL.md 6.2)."""
    try:
        alias = cache_of(conf.session_engine, conf.django("SESSION_CACHE_ALIAS", "default"))
    except (ImportError, AttributeError):
        return []  # no session works there, as Django itself reports
    if alias is None:
        return []
    fault = _FAULTS.get(conf.django("CACHES", {}).get(alias, {}).get("BACKEND"))
    if fault is None:
        return []
    return [message("wsrequest.W023", place=f"the cache {alias!r}", fault=fault)]


@register(TAG, deploy=True)
def check_bus(**kwargs: Any) -> list[CheckMessage]:
    """Live requests receive the commits of every process."""
    if not sound("BUS") or conf.BUS != "memory://" or not conf.MAX_SUBSCRIPTIONS:
        return []
    facts = {"value": repr(conf.BUS), "seconds": f"{conf.LIVE_RECHECK_SECONDS:g}"}
    return [message("wsrequest.W042", **facts)]


@register(TAG, deploy=True)
def check_excluded_paths(**kwargs: Any) -> list[CheckMessage]:
    """Paths that only a proxy guards are excluded."""
    # Who installs the live admin has decided that it is for sockets (W050).
    is_asked = apps.is_installed("django.contrib.admin") and not apps.is_installed(
        "wsrequest.contrib.admin"
    )
    is_reminded = is_asked and not conf.EXCLUDED_PATHS
    return [message("wsrequest.I002")] if is_reminded else []


@register(TAG, deploy=True)
def check_origins(**kwargs: Any) -> list[CheckMessage]:
    """Every page that may connect is served over TLS."""
    if not sound("ALLOWED_ORIGINS"):
        return []
    return [
        message("wsrequest.W024", value=repr(origin))
        for origin in conf.ALLOWED_ORIGINS
        if origin.lower().startswith("http://")
    ]


@register(TAG, deploy=True)
def check_versions(**kwargs: Any) -> list[CheckMessage]:
    """No installed server has a known hole that concerns sockets."""
    messages = []
    for package, fixed, advisories in _HOLES:
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        if (get_version_tuple(installed) or fixed) < fixed:
            facts = {"version": installed, "fixed": ".".join(map(str, fixed))}
            messages.append(
                message("wsrequest.W025", package=package, advisories=advisories, **facts)
            )
    return messages


@register(TAG, deploy=True)
def check_known_application(**kwargs: Any) -> list[CheckMessage]:
    """Some process serves the socket. ASGI_APPLICATION, if set, has a check of its own."""
    if conf.django("ASGI_APPLICATION"):
        return []
    package = str(conf.django("WSGI_APPLICATION") or "").partition(".wsgi.")[0]
    application = (
        look_up(f"{package}.asgi.application") if package else None
    )  # where startproject puts it
    return (
        []
        if application is not None and application.socket is not None
        else [message("wsrequest.I001")]
    )
