"""The settings WSREQUEST_*: each by itself, and against each other.

Owns what a sound value is. A setting that is not sound is left out of every later check.
"""

import math
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from django.core.checks import CheckMessage, register

from wsrequest.checks.table import TAG, message
from wsrequest.conf import SETTINGS, Setting, conf

__all__ = ["check_combinations", "check_names", "check_values", "path_fault", "sound"]

_SERVER_BYTES = 2**24  # uvicorn --ws-max-size, hypercorn websocket_max_message_size
_DAPHNE_BYTES = 2**20  # daphne --websocket-max-message-size
_PROXY_SECONDS = 60  # nginx proxy_read_timeout; the idle timeout of AWS's load balancers

_BAD_IN_PATH = re.compile(r"[\x00-\x20\x7f\\%?#]|//")
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, without the underscore
# RFC 6454 6.2, as browsers write it; extensions and apps have schemes of their own.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class _Order(NamedTuple):
    """Two settings of which one should not be less than the other."""

    larger: str
    smaller: str
    consequence: str


_ORDERS = (
    _Order("MAX_THREADS", "THREADS", "it is not heeded"),
    _Order("MAX_OUTBOUND_BYTES", "PART_BYTES", "each part fills the connection by itself"),
    _Order(
        "MAX_MESSAGE_BYTES",
        "PART_BYTES",
        "the server sends larger frames than it takes, and than many clients take",
    ),
    _Order("MAX_BODY_BYTES", "WINDOW_BYTES", "no body ever fills the window"),
    _Order("MAX_UNFINISHED_BYTES", "MAX_BODY_BYTES", "no body can be as large as it may"),
)


def sound(name: str) -> bool:
    """Whether a setting (without its prefix) has a value of its type, over its minimum."""
    return not list(_value_faults(SETTINGS[f"WSREQUEST_{name}"]))


def path_fault(path: str) -> str | None:
    """What keeps ``path`` from being the path of a socket, None for nothing."""
    if not path.startswith("/"):
        return "does not begin with a slash"
    found = _BAD_IN_PATH.search(path)
    if found:
        return f"holds {found.group()!r}"
    return None


@register(TAG)
def check_values(**kwargs: Any) -> list[CheckMessage]:
    """Each setting has a value that can be worked with."""
    found: list[CheckMessage] = []
    for setting in SETTINGS.values():
        found += _value_faults(setting)
    if sound("PATH"):
        fault = path_fault(conf.PATH)
        if fault:
            found.append(message("wsrequest.E003", value=repr(conf.PATH), fault=fault))
    if sound("ALLOWED_ORIGINS"):
        for origin in conf.ALLOWED_ORIGINS:
            fault = _origin_fault(origin)
            if fault:
                found.append(message("wsrequest.E004", value=repr(origin), fault=fault))
    if sound("FORBIDDEN_HEADERS"):
        for name in conf.FORBIDDEN_HEADERS:
            fault = _header_fault(name)
            if fault:
                found.append(message("wsrequest.E005", value=repr(name), fault=fault))
    if sound("TOKEN_SCHEME") and not _TOKEN.fullmatch(conf.TOKEN_SCHEME):
        found.append(message("wsrequest.E006", value=repr(conf.TOKEN_SCHEME)))
    return found


@register(TAG)
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """Each name that begins like a setting of ours is one."""
    found = []
    for name in sorted(set(conf.names()) - set(SETTINGS)):
        near = get_close_matches(name, SETTINGS, n=1, cutoff=0.75)
        suggestion = (
            f"Did you mean {near[0]}?" if near else "Take it out; docs/settings.md has all."
        )
        found.append(message("wsrequest.W001", name=name, suggestion=suggestion))
    return found


@register(TAG)
def check_combinations(**kwargs: Any) -> list[CheckMessage]:
    """Settings agree with each other, and with what stands in front of them."""
    found = []
    for order in _ORDERS:
        if not (sound(order.larger) and sound(order.smaller)):
            continue
        larger, smaller = (SETTINGS[f"WSREQUEST_{name}"] for name in order[:2])
        if larger.read() < smaller.read():
            found.append(
                message(
                    "wsrequest.W004",
                    larger=larger.name,
                    larger_value=larger.read(),
                    smaller=smaller.name,
                    smaller_value=smaller.read(),
                    consequence=order.consequence,
                )
            )
    if sound("MAX_MESSAGE_BYTES"):
        has_daphne = any(
            app.partition(".")[0] == "daphne" for app in conf.django("INSTALLED_APPS", ())
        )
        server, limit = ("daphne", _DAPHNE_BYTES) if has_daphne else ("uvicorn", _SERVER_BYTES)
        if conf.MAX_MESSAGE_BYTES > limit:
            facts = {"value": conf.MAX_MESSAGE_BYTES, "server": server, "limit": limit}
            found.append(message("wsrequest.W005", **facts))
    if sound("PING_SECONDS") and conf.PING_SECONDS >= _PROXY_SECONDS:
        found.append(message("wsrequest.W006", value=conf.PING_SECONDS))
    return found


def _value_faults(setting: Setting[Any]) -> Iterator[CheckMessage]:
    value, default = setting.read(), repr(setting.default)
    kind = _kind_fault(value, setting.default)
    if kind:
        yield message(
            "wsrequest.E001", name=setting.name, value=repr(value), kind=kind, default=default
        )
    elif setting.minimum is not None and value < setting.minimum:
        facts = {"value": repr(value), "minimum": setting.minimum, "default": default}
        yield message("wsrequest.E002", name=setting.name, **facts)


def _kind_fault(value: object, default: object) -> str | None:
    """What ``value`` would have to be to be of the same kind as ``default``, None if it is."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "True or False"
    if isinstance(default, int):
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return None if is_whole else "a whole number"
    if isinstance(default, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if is_number and math.isfinite(value) else "a number"  # type: ignore[arg-type] # is_number
    if isinstance(default, str):
        return None if isinstance(value, str) else "a string"
    if isinstance(default, dict):
        is_mapping = isinstance(value, dict) and all(
            isinstance(key, str) and _are_strings(names) for key, names in value.items()
        )
        return None if is_mapping else "a dict of lists of strings"
    return None if _are_strings(value) else "a list of strings"


def _are_strings(value: object) -> bool:
    is_sequence = isinstance(value, list | tuple | set | frozenset)
    return is_sequence and all(isinstance(one, str) for one in value)  # type: ignore[attr-defined] # is_sequence


def _origin_fault(origin: str) -> str | None:
    if origin == "null":
        return "is what every sandboxed page and local file sends, so it allows them all"
    if "*" in origin:
        return "is a wildcard, which is not supported: an origin is allowed whole or not at all"
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return "is not an origin, so it matches none"
    if found["port"] and found["port"] == _DEFAULT_PORTS.get(found["scheme"].lower()):
        return "names its scheme's own port, which browsers leave out, so it matches none"
    return None


def _header_fault(name: str) -> str | None:
    if name.upper().startswith("HTTP_"):
        return "is a key of request.META, not the name of a header"
    if not _TOKEN.fullmatch(name):
        return "is not the name of a header"
    return None
