"""The arrows between the layers, read from the source of the package.

Owns the layer table of the design: imports point down only. ``breaches`` judges
one module by its text, so the rules are themselves tested, on small planted
sources. TYPE_CHECKING blocks and imports inside functions count like any other.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "wsrequest"

LAYERS = (
    {"errors", "types"},
    {"protocol", "workers", "bus"},
    {"push"},
    {"request", "live", "client"},
    {"server"},
    {"subscriptions"},
    {"connection"},
    {"conf"},
    {"faults"},
    {"metrics", "pages"},
    {"wiring"},
    {"asgi"},
    {"apps", "checks", "management", "templatetags", "test", "contrib"},
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
DOORS = LAYERS[-1]  # Django's entry points may import each other: apps loads checks

# Where clock, ids and bytes are arguments.
PURE = ("errors", "types", "protocol", "live.index", "live.diff", "live.text_diff")
IMPURE = {
    *("_thread", "asyncio", "concurrent", "multiprocessing", "queue", "random", "secrets"),
    *("select", "selectors", "socket", "socketserver", "ssl", "subprocess", "threading"),
    *("time", "uuid"),
}
# What a pure part may use besides the standard library.
ELSEWHERE = {
    "protocol": {"msgspec"},
    "live.diff": {"msgspec"},
    "live.text_diff": {"msgspec"},
}

# The pool runs any job: it knows neither Django nor WebSockets.
POOL = ("asgiref", "wsrequest.workers")
# These run any Django request, one that came by plain HTTP too.
NO_WEBSOCKET = ("request.handler", "request.response")
WEBSOCKET = ("wsrequest.protocol", "wsrequest.request.environ")

# The whole package stands on its door, so opening it may load nothing.
EAGER_IN_FRONT_DOOR = {"importlib", "typing"}


def breaches(path: str, source: str) -> list[str]:
    """Return a sentence for each rule that a module breaks.

    Args:
        path: of the module, below ``src/wsrequest``, with slashes.
        source: its text.
    """
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    tree = ast.parse(source)
    if module == "__init__":
        return _front_door(tree)
    part = module.partition(".")[0]
    if part not in RANK:
        return [f"{part} stands in no layer"]
    found = []
    for line, name in sorted(set(_names(tree, path))):
        reasons = [
            *(_arrow(part, name)),
            *(_purity(module, name)),
            *(_settings(part, name)),
            *(_any_request(module, name)),
            *(_pool(part, name)),
        ]
        if part == "client" and _within(name, "django"):
            reasons.append(f"client uses Django: {name}")
        found += [f"{path}:{line}: {reason}" for reason in reasons]
    return found


def _front_door(tree: ast.Module) -> list[str]:
    """The top ``__init__`` names what other modules hold, and loads them when asked."""
    found = []
    for statement in tree.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.Import() | ast.ImportFrom():
                for _, name in _names(ast.Module([statement], []), "__init__.py"):
                    if name.partition(".")[0] not in EAGER_IN_FRONT_DOOR:
                        found.append(f"__init__ loads {name} when it is imported")
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]):
                if not all(isinstance(line, ast.ImportFrom) for line in body):
                    found.append("__init__ does more than import for the type checker")
            case ast.Assign() | ast.AnnAssign():
                if any(isinstance(node, ast.Call) for node in ast.walk(statement)):
                    found.append(f"__init__ computes in line {statement.lineno}")
            case ast.FunctionDef(name="__getattr__" | "__dir__"):
                continue
            case _:
                found.append(f"__init__ defines something in line {statement.lineno}")
    return found


def _arrow(part: str, name: str) -> Iterator[str]:
    """Imports point down only, and siblings do not know each other."""
    top, _, rest = name.partition(".")
    if top != "wsrequest":
        return
    other = rest.partition(".")[0]
    if other in ("__version__", "VERSION"):
        return
    if other not in RANK:
        yield f"{part} imports {name} through the package's front door"
    elif other != part and RANK[other] == RANK[part] and part not in DOORS:
        yield f"{part} imports its sibling {other}"
    elif RANK[other] > RANK[part]:
        yield f"{part} imports {other}, which is above it"


def _purity(module: str, name: str) -> Iterator[str]:
    """The pure parts use the standard library without its clocks, threads and sockets."""
    pure = next((root for root in PURE if _within(module, root)), None)
    if pure is None:
        return
    top = name.partition(".")[0]
    if top == "wsrequest":
        below = () if pure in ("errors", "types") else ("errors", "types")
        if not any(_within(name, f"wsrequest.{root}") for root in (pure, *below)):
            yield f"{module} is pure and imports {name}"
    elif top in IMPURE or (
        top not in sys.stdlib_module_names and top not in ELSEWHERE.get(pure, ())
    ):
        yield f"{module} is pure and imports {name}"


def _settings(part: str, name: str) -> Iterator[str]:
    """Django's settings have one reader, and it does not hand them on."""
    reads = _within(name, "django.conf") and not _within(name, "django.conf.urls")
    if part != "conf" and (reads or _within(name, "wsrequest.conf.settings")):
        yield f"{part} reads the settings: {name}"


def _any_request(module: str, name: str) -> Iterator[str]:
    """The handler knows nothing of WebSockets, so that plain HTTP can go through it."""
    if module in NO_WEBSOCKET and any(_within(name, root) for root in WEBSOCKET):
        yield f"{module} knows of WebSockets: {name}"


def _pool(part: str, name: str) -> Iterator[str]:
    """The workers use the standard library and asgiref."""
    top = name.partition(".")[0]
    if part == "workers" and top not in sys.stdlib_module_names:
        if not any(_within(name, root) for root in POOL):
            yield f"workers knows more than threads: {name}"


def _within(name: str, root: str) -> bool:
    return name == root or name.startswith(root + ".")


def _names(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of all that a module imports, wherever it does."""
    package = ["wsrequest", *path.split("/")[:-1]]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                origin = ".".join([*base, *([module] if module else [])])
                for alias in names:
                    # `from a import b` may mean the module a.b, so b is judged too.
                    yield node.lineno, f"{origin}.{alias.name}".removesuffix(".*")
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                if _last_name(func) in ("__import__", "import_module", "import_string"):
                    yield node.lineno, name
            case ast.Attribute():
                # `import django` is enough to write django.conf.settings.
                dotted = _dotted(node)
                if dotted is not None and _within(dotted, "django.conf"):
                    yield node.lineno, dotted


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_imports_keep_to_the_layers(path: str) -> None:
    assert breaches(path, (PACKAGE / path).read_text(encoding="utf-8")) == []


def test_package_was_found() -> None:
    assert {"__init__.py", "errors.py", "types.py", "conf.py"} <= set(MODULES)


@pytest.mark.parametrize(
    ("path", "source", "sentence"),
    [
        pytest.param(
            "protocol/client_codec.py",
            "from wsrequest.request.environ import make_environ",
            "protocol imports request, which is above it",
            id="up",
        ),
        pytest.param(
            "request/environ.py",
            "def f():\n    from wsrequest.connection import send_queue",
            "environ.py:2: request imports connection, which is above it",
            id="up-inside-a-function",
        ),
        pytest.param(
            "connection/dispatcher.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wsrequest import conf",
            "connection imports conf, which is above it",
            id="up-for-the-type-checker",
        ),
        pytest.param(
            "connection.py",
            "import wsrequest.asgi as door",
            "connection imports asgi, which is above it",
            id="up-under-another-name",
        ),
        pytest.param(
            "conf.py", "from .asgi import Application", "conf imports asgi", id="up-relative"
        ),
        pytest.param(
            "workers/pool.py",
            "from ..connection import dispatcher",
            "workers imports connection",
            id="up-relative-from-a-package",
        ),
        pytest.param(
            "server/tickets.py",
            "from importlib import import_module\nimport_module('wsrequest.conf')",
            "server imports conf",
            id="up-by-name",
        ),
        pytest.param(
            "asgi.py",
            "from django.utils import module_loading\n"
            "module_loading.import_string('wsrequest.checks.ALL')",
            "asgi imports checks",
            id="up-by-dotted-path",
        ),
        pytest.param(
            "live/manager.py",
            "from wsrequest.request import response",
            "live imports its sibling request",
            id="sibling",
        ),
        pytest.param(
            "live/manager.py",
            "import wsrequest.client.session",
            "live imports its sibling client",
            id="sibling-as-a-module",
        ),
        pytest.param(
            "types.py",
            "from wsrequest.errors import Error",
            "types imports its sibling",
            id="floor",
        ),
        pytest.param(
            "connection/dispatcher.py",
            "from wsrequest import close_sockets",
            "through the package's front door",
            id="front-door",
        ),
        pytest.param(
            "workers/pool.py", "import wsrequest", "through the package's front door", id="whole"
        ),
        pytest.param("helpers.py", "", "helpers stands in no layer", id="no-layer"),
        pytest.param("shared/text.py", "", "shared stands in no layer", id="no-layer-package"),
        pytest.param(
            "protocol/session.py", "import asyncio", "is pure and imports asyncio", id="loop"
        ),
        pytest.param(
            "protocol/session.py", "from time import monotonic", "imports time", id="clock"
        ),
        pytest.param(
            "protocol/client_codec.py", "import threading", "imports threading", id="threads"
        ),
        pytest.param("protocol/client_codec.py", "import socket", "imports socket", id="socket"),
        pytest.param("protocol/session.py", "from random import choice", "random", id="chance"),
        pytest.param(
            "protocol/client_codec.py", "import django", "imports django", id="pure-django"
        ),
        pytest.param(
            "protocol/client_codec.py", "import orjson", "imports orjson", id="pure-foreign"
        ),
        pytest.param("errors.py", "import msgspec", "errors is pure", id="errors-msgspec"),
        pytest.param("types.py", "import asyncio.queues", "types is pure", id="types-loop"),
        pytest.param("live/index.py", "import msgspec", "live.index is pure", id="index-msgspec"),
        pytest.param(
            "live/index.py",
            "from wsrequest.live import manager",
            "live.index is pure and imports wsrequest.live.manager",
            id="index-neighbour",
        ),
        pytest.param("live/diff.py", "import time", "live.diff is pure", id="patches-clock"),
        pytest.param(
            "client/transport.py",
            "def f():\n    from django.utils import timezone",
            "client uses Django: django.utils.timezone",
            id="client-django",
        ),
        pytest.param(
            "asgi.py", "from django.conf import settings", "asgi reads the settings", id="settings"
        ),
        pytest.param(
            "request/environ.py",
            "def f():\n    import django.conf",
            "request reads the settings",
            id="settings-as-a-module",
        ),
        pytest.param(
            "checks.py", "from django import conf", "checks reads the settings", id="settings-from"
        ),
        pytest.param(
            "contrib/classic.py",
            "import django\nDEBUG = django.conf.settings.DEBUG",
            "classic.py:2: contrib reads the settings",
            id="settings-by-attribute",
        ),
        pytest.param(
            "apps.py",
            "from wsrequest.conf import settings",
            "apps reads the settings",
            id="settings-second-hand",
        ),
        pytest.param(
            "workers/pool.py",
            "from wsrequest.protocol.messages import Request",
            "workers imports its sibling protocol",
            id="lane-protocol",
        ),
        pytest.param(
            "request/handler.py",
            "from wsrequest.request import environ",
            "request.handler knows of WebSockets",
            id="handler-requests",
        ),
        pytest.param(
            "__init__.py",
            "from wsrequest.contrib.classic import WebSocketRequest",
            "__init__ loads wsrequest.contrib.classic",
            id="door-loads",
        ),
        pytest.param("__init__.py", "class Thing: ...", "defines something", id="door-class"),
        pytest.param("__init__.py", "def setup(): ...", "defines something", id="door-function"),
        pytest.param(
            "__init__.py",
            "try:\n    import django\nexcept ImportError:\n    pass",
            "defines something",
            id="door-attempt",
        ),
        pytest.param("__init__.py", "LOG = open('log')", "computes in line 1", id="door-effect"),
        pytest.param(
            "__init__.py",
            "if TYPE_CHECKING:\n    x = 1",
            "more than import for the type checker",
            id="door-type-checker",
        ),
    ],
)
def test_breach_is_reported(path: str, source: str, sentence: str) -> None:
    found = breaches(path, source)
    assert len(found) >= 1
    assert any(sentence in breach for breach in found), found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param(
            "protocol/client_codec.py", "import msgspec\nfrom re import compile", id="protocol"
        ),
        pytest.param(
            "protocol/client_codec.py", "from wsrequest.protocol import validation", id="own-part"
        ),
        pytest.param(
            "protocol/client_codec.py",
            "from . import validation\nfrom ..types import Id",
            id="dots",
        ),
        pytest.param(
            "request/cookies.py", "from http.cookies import Morsel\nimport time", id="down"
        ),
        pytest.param("live/index.py", "from wsrequest.errors import Error", id="matching"),
        pytest.param(
            "connection/__init__.py", "from wsrequest.connection import timeouts", id="init"
        ),
        pytest.param("connection.py", "from wsrequest import request, bus, live", id="joins"),
        pytest.param("conf.py", "from django.conf import settings", id="settings"),
        pytest.param("asgi.py", "from wsrequest.conf import conf", id="conf"),
        pytest.param("asgi.py", "from wsrequest import __version__", id="version"),
        pytest.param("test.py", "from django.conf.urls.static import static", id="conf-urls"),
        pytest.param("apps.py", "def ready():\n    from wsrequest import checks", id="doors"),
        pytest.param(
            "client/session.py", "from wsrequest.protocol import client_codec", id="client"
        ),
        pytest.param("server/tickets.py", "import_module(engine)", id="name-unknown"),
        pytest.param(
            "__init__.py",
            '"""Doc."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n'
            "    from wsrequest.contrib.classic import WebSocketRequest\n__version__ = '1'\n"
            "def __getattr__(name):\n    return import_module('wsrequest.contrib.classic')",
            id="front-door",
        ),
    ],
)
def test_sound_source_is_not_reported(path: str, source: str) -> None:
    assert breaches(path, source) == []
