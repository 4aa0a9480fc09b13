"""What no source of the package may do, whatever it is given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "wsrequest"
FILES = sorted(SOURCE.rglob("*.py"))

EVALUATES = {"eval", "exec", "compile", "__import__", "literal_eval"}
UNPICKLES = {"pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle", "xml", "subprocess"}
CALLS = {"urllib.request", "http.client", "requests", "httpx", "ftplib", "smtplib", "telnetlib"}
CALLERS = {"create_connection", "open_connection", "open_unix_connection", "system", "popen"}
# The part that is clients: it is not imported where requests are served.
CLIENTS = ("client", "test")
# It connects to the server that a setting names, and no request can change that.
CONNECTS = {SOURCE / "bus" / "nats.py"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id
            elif isinstance(function, ast.Attribute) and not is_regex(function):
                yield function.attr


def is_regex(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id == "re"


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_source_was_found() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=named)
def test_source_evaluates_and_unpickles_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name.partition(".")[0] for name in imported(tree)} & UNPICKLES
    assert not set(called(tree)) & EVALUATES


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.relative_to(SOURCE).parts[0] not in CLIENTS], ids=named
)
def test_source_calls_nobody(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not set(imported(tree)) & CALLS
    assert path in CONNECTS or not set(called(tree)) & CALLERS
