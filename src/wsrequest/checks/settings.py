"""The settings WSREQUEST_*, each by itself and compared with each other.

``faults`` knows which values are valid. Later checks leave out an invalid setting.
"""

from difflib import get_close_matches
from typing import Any, NamedTuple

from django.core.checks import CheckMessage, register

from wsrequest.checks.table import TAG, message
from wsrequest.conf import RENAMED, SETTINGS, conf
from wsrequest.faults import faults, sound
from wsrequest.live.normalizing import pattern_fault, rewriter_fault

__all__ = [
    "check_combinations",
    "check_ignored_keys",
    "check_live_content",
    "check_names",
    "check_values",
]

_SERVER_BYTES = 2**24  # uvicorn --ws-max-size, hypercorn websocket_max_message_size
_DAPHNE_BYTES = 2**20  # daphne --websocket-max-message-size
_PROXY_SECONDS = 60  # nginx proxy_read_timeout, and the idle timeout of AWS's load balancers


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
    _Order("MAX_PENDING_REQUEST_BYTES", "MAX_BODY_BYTES", "no body can be as large as it may"),
)
_LIVE_ORDERS = (
    _Order(
        "THREADS", "LIVE_MAX_CONCURRENT_RUNS", "live requests can keep every thread from the others"
    ),
    _Order("MAX_LIVE_BYTES", "MAX_LIVE_BYTES_PER_ADDRESS", "one address can hold all of it"),
    _Order("PUSH_HISTORY_BYTES", "PUSH_EVENT_BYTES", "one event can take the place of all others"),
    _Order("MAX_PENDING_REQUEST_BYTES", "MAX_LIVE_BYTES", "live requests can keep out all others"),
)


@register(TAG)
def check_values(**kwargs: Any) -> list[CheckMessage]:
    """Each setting has a valid value."""
    return [message(fault.id, **fault.facts) for fault in faults()]


@register(TAG)
def check_names(**kwargs: Any) -> list[CheckMessage]:
    """Each name that begins like one of our settings is one."""
    messages = []
    for name in sorted(set(conf.names()) - set(SETTINGS)):
        near = get_close_matches(name, SETTINGS, n=1, cutoff=0.75)
        if name in RENAMED:
            suggestion = f"Its name is {RENAMED[name]} now."
        elif near:
            suggestion = f"Did you mean {near[0]}?"
        else:
            suggestion = "Take it out; docs/settings.md has all."
        messages.append(message("wsrequest.W001", name=name, suggestion=suggestion))
    return messages


@register(TAG)
def check_combinations(**kwargs: Any) -> list[CheckMessage]:
    """The settings agree with each other, and with the servers and proxies in front."""
    messages = []
    is_live = sound("MAX_SUBSCRIPTIONS") and conf.MAX_SUBSCRIPTIONS > 0
    for order in (*_ORDERS, *_LIVE_ORDERS) if is_live else _ORDERS:
        if not (sound(order.larger) and sound(order.smaller)):
            continue
        larger, smaller = (SETTINGS[f"WSREQUEST_{name}"] for name in order[:2])
        if larger.read() < smaller.read():
            messages.append(
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
            messages.append(message("wsrequest.W005", **facts))
    if sound("PING_SECONDS") and conf.PING_SECONDS >= _PROXY_SECONDS:
        messages.append(message("wsrequest.W006", value=conf.PING_SECONDS))
    return messages


@register(TAG)
def check_ignored_keys(**kwargs: Any) -> list[CheckMessage]:
    """The patterns of ignored cache keys do not match all keys."""
    if not sound("LIVE_IGNORED_CACHE_KEYS"):
        return []
    patterns = conf.LIVE_IGNORED_CACHE_KEYS
    return [
        message("wsrequest.W019", value=repr(value)) for value in patterns if not value.strip("*")
    ]


@register(TAG)
def check_live_content(**kwargs: Any) -> list[CheckMessage]:
    """What live responses are compared by can be used."""
    messages = []
    for pattern in conf.LIVE_IGNORED_CONTENT if sound("LIVE_IGNORED_CONTENT") else ():
        fault = pattern_fault(pattern)
        if fault:
            messages.append(message("wsrequest.W038", value=repr(pattern), fault=fault))
    fault = rewriter_fault(conf.LIVE_REWRITER) if sound("LIVE_REWRITER") else None
    if fault:
        messages.append(message("wsrequest.W039", value=repr(conf.LIVE_REWRITER), fault=fault))
    return messages
