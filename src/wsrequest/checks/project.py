"""The project around the socket: its applications, URLs, databases and files.

No check here may fail if the project does, because Django reports that by itself.
"""

import os
from itertools import combinations
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.core.management import find_commands, load_command_class
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.module_loading import import_string

from wsrequest.checks.table import TAG, message
from wsrequest.conf import conf
from wsrequest.faults import faults, path_fault, sound
from wsrequest.live.tracking.databases import are_likely_copies
from wsrequest.management.applications import is_asgi_3, look_up

__all__ = [
    "check_application",
    "check_caches",
    "check_copies",
    "check_databases",
    "check_live_pages",
    "check_path",
    "check_replicas",
    "check_runserver",
    "check_static_files",
]

_LIVE_PAGES = "wsrequest.pages.middleware.LivePageMiddleware"
_ELSEWHERE = "/wsrequest-asks-for-a-page-that-does-not-exist/"
_POOL_SIZE = 4  # psycopg_pool's min_size, which is max_size too unless that is given


@register(TAG)
def check_path(**kwargs: Any) -> list[CheckMessage]:
    """The path of the socket fits the project, and is not one of the project's own."""
    if not sound("PATH") or path_fault(conf.PATH):
        return []
    messages = []
    value = repr(conf.PATH)
    middleware = conf.django("MIDDLEWARE", ())
    appends = conf.django("APPEND_SLASH") and any("CommonMiddleware" in one for one in middleware)
    if appends and not conf.PATH.endswith("/"):
        messages.append(message("wsrequest.W002", value=value))
    other = _who_is_at(conf.PATH)
    if other:
        messages.append(message("wsrequest.W003", value=value, other=other))
    return messages


@register(TAG)
def check_runserver(**kwargs: Any) -> list[CheckMessage]:
    """``manage.py runserver`` is the one that serves the socket."""
    having = (
        app.name
        for app in apps.get_app_configs()
        if "runserver" in find_commands(os.path.join(app.path, "management"))
    )
    first = next(having)  # Django runs the first, and ours is among them
    if first == "wsrequest" or _builds_on_ours(first):
        return []
    return [message("wsrequest.W007", other=first)]


@register(TAG)
def check_application(**kwargs: Any) -> list[CheckMessage]:
    """The project's ASGI application, if it names one, serves the socket."""
    path = conf.django("ASGI_APPLICATION")
    application = look_up(path) if path else None
    if application is None or any(faults()):  # an application is not made while settings are wrong
        return []
    if application.error is not None:
        error = f"{type(application.error).__name__}: {application.error}"
        return [message("wsrequest.W008", path=path, error=error)]
    if application.socket is None:
        return [message("wsrequest.W009", path=path)]
    return [] if is_asgi_3(application.application) else [message("wsrequest.W041", path=path)]


@register(TAG)
def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """Each thread can have a connection, and all connections see the same data."""
    messages = []
    for alias, database in conf.django("DATABASES", {}).items():
        name, engine = str(database.get("NAME")), str(database.get("ENGINE"))
        is_memory = name == ":memory:" or ("mode=memory" in name and "cache=shared" not in name)
        if "sqlite" in engine and is_memory:
            messages.append(message("wsrequest.W010", alias=alias))
        size = _pool_size(database)
        if size is not None and sound("THREADS") and size < conf.THREADS:
            facts = {"alias": alias, "size": size, "threads": conf.THREADS}
            messages.append(message("wsrequest.W011", **facts))
    return messages


@register(TAG)
def check_replicas(**kwargs: Any) -> list[CheckMessage]:
    """The replicas that live requests know, and their primaries, are in DATABASES."""
    if not (sound("LIVE_REPLICAS") and sound("MAX_SUBSCRIPTIONS") and conf.MAX_SUBSCRIPTIONS):
        return []
    known = conf.django("DATABASES", {})
    named = {
        alias for primary, replicas in conf.LIVE_REPLICAS.items() for alias in (primary, *replicas)
    }
    return [
        message("wsrequest.W013", alias=repr(alias), known=", ".join(known))
        for alias in sorted(named - set(known))
    ]


@register(TAG)
def check_caches(**kwargs: Any) -> list[CheckMessage]:
    """No application answers from a cache that live requests cannot see."""
    if not (sound("MAX_SUBSCRIPTIONS") and conf.MAX_SUBSCRIPTIONS):
        return []
    uses = apps.is_installed("cacheops") and conf.django("CACHEOPS_ENABLED", True)
    return [message("wsrequest.W030")] if uses else []


@register(TAG)
def check_copies(**kwargs: Any) -> list[CheckMessage]:
    """A database that looks like a copy of another is declared as one, if live requests are on."""
    is_live = sound("MAX_SUBSCRIPTIONS") and conf.MAX_SUBSCRIPTIONS
    if not (sound("LIVE_REPLICAS") and is_live):
        return []
    databases = conf.django("DATABASES", {})
    named = {alias for replicas in conf.LIVE_REPLICAS.values() for alias in replicas}
    named |= {a for a, given in databases.items() if (given.get("TEST") or {}).get("MIRROR")}
    return [
        message("wsrequest.W018", alias=repr(other), primary=repr(alias))
        for (alias, one), (other, two) in combinations(databases.items(), 2)
        if not named & {alias, other} and are_likely_copies(one, two)
    ]


@register(TAG)
def check_live_pages(**kwargs: Any) -> list[CheckMessage]:
    """The middleware that completes live pages sees them as they are sent."""
    paths = [str(path) for path in conf.django("MIDDLEWARE", ())]
    if _LIVE_PAGES not in paths:
        return []
    index = paths.index(_LIVE_PAGES)
    problems = [
        (f"above {path}", "which compresses pages before their tags are completed")
        for path in paths[index + 1 :]
        if any(word in path.lower() for word in ("gzip", "compress"))
    ]
    problems += [
        (f"below {path}", "which sets cookies behind it")
        for path in paths[:index]
        if path.endswith(("SessionMiddleware", "CsrfViewMiddleware"))
    ]
    return [message("wsrequest.W051", place=place, reason=why) for place, why in problems[:1]]


@register(TAG)
def check_static_files(**kwargs: Any) -> list[CheckMessage]:
    """The project's storage keeps the files that the browser client loads."""
    path = (conf.django("STORAGES", {}).get("staticfiles") or {}).get("BACKEND")
    if not path or not conf.django("WHITENOISE_KEEP_ONLY_HASHED_FILES"):
        return []
    try:
        storage = import_string(path)
    except Exception:  # Django fails on it with an error of its own
        return []
    # By its property: it may be a subclass of WhiteNoise's, whose other storages keep every file.
    deletes = hasattr(storage, "keep_only_hashed_files")
    rewrites = getattr(storage, "support_js_module_import_aggregation", False)
    return [message("wsrequest.W014", storage=path)] if deletes and not rewrites else []


def _who_is_at(path: str) -> str | None:
    static = conf.django("STATIC_URL")
    if static and str(static).startswith("/") and path.startswith(str(static)):
        return "below STATIC_URL"
    match = _resolved(path)
    if match is None:
        return None
    elsewhere = _resolved(_ELSEWHERE)
    if elsewhere is not None and elsewhere.func == match.func:
        return None  # a catch-all view, such as that of a single-page application
    return f"the path of the view {match._func_path}"


def _resolved(path: str) -> ResolverMatch | None:
    try:
        return resolve(path)
    except Resolver404:
        return None
    except Exception:  # a URLconf that cannot be loaded, which Django's own checks report
        return None


def _builds_on_ours(app_name: str) -> bool:
    """Whether an application's runserver is a subclass of ours, such as WhiteNoise's."""
    try:
        command = load_command_class(app_name, "runserver")
    except Exception:  # it fails with its own error when it is run
        return False
    return any(
        base.__module__.startswith("wsrequest.management.") for base in type(command).__mro__
    )


def _pool_size(database: dict[str, Any]) -> int | None:
    """Return how many connections a database's pool can have. None if that is unknown."""
    pool = (database.get("OPTIONS") or {}).get("pool")
    if not pool or "oracle" in str(database.get("ENGINE")):  # whose pool is not psycopg's
        return None
    options = pool if isinstance(pool, dict) else {}
    size = options.get("max_size") or options.get("min_size", _POOL_SIZE)
    return size if isinstance(size, int) else None
