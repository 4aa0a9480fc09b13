"""The faults of single settings, each with a sentence and a remedy.

The system checks report them. ASGI servers don't run Django's checks, so wsrequest refuses to start
with one of these.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from wsrequest.bus.engine import Keeping
from wsrequest.bus.open import BusURLError, open_bus, redacted
from wsrequest.conf import SETTINGS, Setting, conf

__all__ = ["WORDS", "Fault", "Words", "demand_sound", "faults", "path_fault", "sound"]

_BAD_IN_PATH = re.compile(r"[\x00-\x20\x7f\\%?#]|//")
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, without the underscore
# RFC 6454 6.2, as browsers write it. Extensions and apps have schemes of their own.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Words:
    """Two sentences, which ``str.format`` fills in with the facts of a finding."""

    sentence: str
    remedy: str


WORDS = {
    "wsrequest.E001": Words(
        "{name} is {value}, but must be {kind}.",
        "Correct it, or leave it out: its default is {default}.",
    ),
    "wsrequest.E002": Words(
        "{name} is {value}, but must be at least {minimum}.",
        "Raise it, or leave it out: its default is {default}.",
    ),
    "wsrequest.E003": Words(
        "WSREQUEST_PATH is {value}, which {fault}.",
        'Give the path as a browser shows it, from its first slash to its last, as in "/ws/".',
    ),
    "wsrequest.E004": Words(
        "{value} in WSREQUEST_ALLOWED_ORIGINS {fault}.",
        "Name each origin whole and as browsers send it: scheme, host and, unless it is the "
        'scheme\'s own, port; as in "https://app.example.com".',
    ),
    "wsrequest.E005": Words(
        "{value} in {name} {fault}.",
        'Give the name as it stands in a request, as in "X-Client-Certificate", or its beginning '
        'and a star, as in "X-Client-*".',
    ),
    "wsrequest.E006": Words(
        "WSREQUEST_TOKEN_SCHEME is {value}, which is not one word.",
        'Give the word that stands before the token in Authorization, as in "Bearer".',
    ),
    "wsrequest.E008": Words(
        "{value} in {name} {fault}.",
        "Give each path as Django resolves it, decoded and without the script name, as in "
        '"/admin/"; what is below it is meant with it. Without the last slash all that begins '
        "with the path is meant.",
    ),
    "wsrequest.E009": Words(
        "WSREQUEST_BUS is {value}, which {fault}.",
        'Give a URL as docs/settings.md shows, as in "redis://127.0.0.1:6379/0".',
    ),
    "wsrequest.E010": Words(
        "WSREQUEST_RELAYED_LOG is {value}, which {fault}.",
        'Name databases by their aliases in DATABASES, as in "postgresql+log://default", and a '
        "WSREQUEST_BUS on Redis or NATS. Or leave it out.",
    ),
    "wsrequest.E011": Words("WSREQUEST_METRICS is True, but {fault}.", "{remedy}"),
    "wsrequest.E012": Words(
        "WSREQUEST_HTTP is {value}.",
        'Set it to "workers", or to "django" if Django\'s own ASGI handler shall answer HTTP.',
    ),
}


class Fault(NamedTuple):
    """One finding: the id of its check, and the values of the names in its words."""

    id: str
    facts: dict[str, object]

    def __str__(self) -> str:
        words = WORDS[self.id]
        return f"{words.sentence} {words.remedy}".format(**self.facts)


def faults() -> Iterator[Fault]:
    """Yield all that is wrong with the settings as they are now."""
    for setting in SETTINGS.values():
        fault = _value_fault(setting)
        if fault is not None:
            yield fault
    if sound("PATH"):
        yield from _faults("wsrequest.E003", [conf.PATH], path_fault)
    if sound("ALLOWED_ORIGINS"):
        yield from _faults("wsrequest.E004", conf.ALLOWED_ORIGINS, _origin_fault)
    for name in ("FORBIDDEN_HEADERS", "PER_REQUEST_HEADERS"):
        if sound(name):
            setting = SETTINGS[f"WSREQUEST_{name}"]
            yield from _faults("wsrequest.E005", setting.read(), _header_fault, name=setting.name)
    for name in ("EXCLUDED_PATHS", "HTTP_DJANGO_PATHS"):
        if sound(name):
            setting = SETTINGS[f"WSREQUEST_{name}"]
            yield from _faults("wsrequest.E008", setting.read(), _path_fault, name=setting.name)
    if sound("HTTP") and conf.HTTP not in ("workers", "django"):
        yield Fault("wsrequest.E012", {"value": repr(conf.HTTP)})
    if sound("BUS"):
        is_sound = sound("PUSH_SHARED_HISTORY_BYTES") and sound("PUSH_HISTORY_SECONDS")
        yield from _bus_faults(
            conf.BUS,
            conf.RELAYED_LOG if sound("RELAYED_LOG") else "",
            conf.shared_history if is_sound else None,
        )
    if sound("METRICS") and conf.METRICS:
        yield from _metrics_faults()
    if sound("TOKEN_SCHEME") and not _TOKEN.fullmatch(conf.TOKEN_SCHEME):
        yield Fault("wsrequest.E006", {"value": repr(conf.TOKEN_SCHEME)})


def demand_sound(path: str | None = None) -> None:
    """Raise for what is wrong with the settings, except what the project has silenced.

    Args:
        path: that of a socket, if it is not that of the setting.

    Raises:
        ImproperlyConfigured: names all faults, each with its remedy.
    """
    silenced = conf.django("SILENCED_SYSTEM_CHECKS", ())
    problems = [f"({fault.id}) {fault}" for fault in faults() if fault.id not in silenced]
    fault = None if path is None else path_fault(path)
    if fault:
        problems.append(f"The path of the socket is {path!r}, which {fault}.")
    if problems:
        raise ImproperlyConfigured("\n".join(problems))


def sound(name: str) -> bool:
    """Whether a setting (without its prefix) has a value of its type, not below its minimum."""
    return _value_fault(SETTINGS[f"WSREQUEST_{name}"]) is None


def path_fault(path: str) -> str | None:
    """Return why ``path`` cannot be the path of a socket, or None."""
    if not path.startswith("/"):
        return "does not begin with a slash"
    match = _BAD_IN_PATH.search(path)
    if match:
        return f"holds {match.group()!r}"
    return None


def _path_fault(path: str) -> str | None:
    if not path.startswith("/"):
        return "does not begin with a slash, so it matches nothing"
    match = re.search(r"[*%?#]", path)
    if match:
        return f"holds {match.group()!r}, which stands for itself only"
    name = conf.script_name
    if name and f"{path}/".startswith(f"{name}/"):
        return f"begins with the script name {name!r}, which is not part of a path here"
    return None


def _bus_faults(url: str, relayed_log: str, keeping: Keeping | None) -> Iterator[Fault]:
    try:
        open_bus(url, conf.bus_secrets, conf.database, relayed_log, keeping)
    except BusURLError as error:
        is_bus = error.setting == "WSREQUEST_BUS"
        value = repr(redacted(url if is_bus else relayed_log))
        id = "wsrequest.E009" if is_bus else "wsrequest.E010"
        yield Fault(id, {"value": value, "fault": str(error)})


def _metrics_faults() -> Iterator[Fault]:
    if find_spec("prometheus_client") is None:
        yield _metrics_fault(
            "prometheus_client is not installed",
            'Install it: pip install "django-websocket-request[metrics]".',
        )
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if directory and not os.path.isdir(directory):
        yield _metrics_fault(
            f"PROMETHEUS_MULTIPROC_DIR names {directory!r}, which is not a directory",
            "Make an empty directory there before the processes start, or unset the variable.",
        )


def _metrics_fault(fault: str, remedy: str) -> Fault:
    return Fault("wsrequest.E011", {"fault": fault, "remedy": remedy})


def _faults(
    id: str, values: Iterable[str], fault_of: Callable[[str], str | None], **facts: object
) -> Iterator[Fault]:
    for value in values:
        fault = fault_of(value)
        if fault:
            yield Fault(id, {"value": repr(value), "fault": fault, **facts})


def _value_fault(setting: Setting[Any]) -> Fault | None:
    value = setting.read()
    facts = {"name": setting.name, "value": repr(value), "default": repr(setting.default)}
    kind = _kind_fault(value, setting.default)
    if kind:
        return Fault("wsrequest.E001", {**facts, "kind": kind})
    if setting.minimum is not None and value < setting.minimum:
        return Fault("wsrequest.E002", {**facts, "minimum": setting.minimum})
    return None


def _kind_fault(value: object, default: object) -> str | None:
    """Return what ``value`` would have to be, if it is not of the same kind as ``default``."""
    if default is None:
        return None if value is None or _is_callable(value) else "a callable, or its dotted path"
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


def _is_callable(value: object) -> bool:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError:
            return False
    return callable(value)


def _are_strings(value: object) -> bool:
    is_sequence = isinstance(value, list | tuple | set | frozenset)
    return is_sequence and all(isinstance(one, str) for one in value)  # type: ignore[attr-defined] # is_sequence


def _origin_fault(origin: str) -> str | None:
    if origin == "null":
        return "is what every sandboxed page and local file sends, so it allows them all"
    if "*" in origin:
        return "is a wildcard, which is not supported: an origin is allowed whole or not at all"
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return "is not an origin, so it matches none"
    if match["port"] and match["port"] == _DEFAULT_PORTS.get(match["scheme"].lower()):
        return "names its scheme's own port, which browsers leave out, so it matches none"
    return None


def _header_fault(name: str) -> str | None:
    if name.upper().startswith("HTTP_"):
        return "is a key of request.META, not the name of a header"
    if not _TOKEN.fullmatch(name):
        return "is not the name of a header"
    beginning, star, rest = name.partition("*")
    if star and (rest or not beginning):
        return "has a star elsewhere than at the end of a beginning, so it matches nothing"
    return None
