"""scripts/test installs what the chosen tests need, and nothing else."""

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from tests import services

CHOSEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "sqlite": {"callspec": SimpleNamespace(params={"database": "sqlite", "count": 3})},
    "postgresql": {"callspec": SimpleNamespace(params={"database": "postgresql"})},
    "mariadb": {"fixturenames": ["mariadb_params"]},
    "redis": {"fixturenames": ["tmp_path", "redis_url"]},
    "chromium": {"marks": [pytest.mark.needs("chromium").mark]},
}


def item(name: str) -> Any:
    given = CHOSEN[name]
    marks = given.get("marks", [])
    return SimpleNamespace(iter_markers=lambda name: iter(marks), **given)


@pytest.mark.parametrize("name", CHOSEN)
def test_services_of_a_test_are_found(name: str) -> None:
    assert services.services_of(item(name)) == {name} - {"nothing", "sqlite"}


@pytest.mark.parametrize("chosen", [["nothing", "sqlite"], ["sqlite", "postgresql", "redis"]])
def test_only_what_is_needed_and_missing_is_installed(
    chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    here = {"postgresql": lambda: None, "redis": lambda: "/usr/bin/redis-server"}
    monkeypatch.setattr(services, "IS_HERE", here)
    monkeypatch.setattr(subprocess, "run", lambda command: calls.append(command))
    monkeypatch.setenv("INSTALL_SERVICES", "test,dev")
    config = SimpleNamespace(option=SimpleNamespace(collectonly=False))
    session: Any = SimpleNamespace(items=list(map(item, chosen)), config=config)
    services.pytest_collection_finish(session)
    wanted = [["test,dev", "postgresql"]] if "postgresql" in chosen else []
    assert [command[1:] for command in calls] == wanted
    services.pytest_collection_finish(session)  # a pytest that a test starts installs nothing
    assert len(calls) == len(wanted)
