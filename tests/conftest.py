"""Fixtures for the whole suite: the migrated databases, the real servers and their logs.

A test of the package's behaviour on any ASGI server asks for ``server`` and runs on all five;
one whose subject is not the server asks for ``any_server`` and runs on one. A test that needs
settings of its own starts its server with ``serve``.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.servers import COMMANDS, RUNNING, Server, manage, serving
from tests.interrupts import heed_interrupts

pytest_plugins = ["tests.postgres", "tests.mariadb", "tests.redis", "tests.nats", "tests.services"]

heed_interrupts()

ANY_KIND = next(iter(COMMANDS))
# What these give is started for one test, which takes seconds.
OWN_PROCESS = {"serve", "runwebsockets", "new_project"}
LOG_CHARACTERS = 8000


@pytest.hookimpl(tryfirst=True)  # before -m looks for marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark ``once`` what Hypothesis tries, and what starts a process unless marked ``each``."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        starts = fixtures & OWN_PROCESS and item.get_closest_marker("each") is None
        if starts or getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("once")


@pytest.fixture(scope="session")
def project_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the project's databases, migrated once; each server gets a copy.

    PROJECT_MIGRATED names one that is there already, for whoever runs pytest many times.
    """
    if "PROJECT_MIGRATED" in os.environ:
        return Path(os.environ["PROJECT_MIGRATED"])
    data = tmp_path_factory.mktemp("project")
    for alias in ("default", "other"):
        manage(data, "migrate", "--verbosity=0", "--database", alias)
    return data


@pytest.fixture(scope="session", params=COMMANDS)
def server(request: pytest.FixtureRequest, project_data: Path) -> Iterator[Server]:
    """Each server in turn, with the project's settings as they are."""
    with serving(request.param, project_data) as running:
        yield running


@pytest.fixture(scope="session")
def any_server(project_data: Path) -> Iterator[Server]:
    """One server, for what does not depend on which it is."""
    with serving(ANY_KIND, project_data) as running:
        yield running


@pytest.fixture(params=COMMANDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of each server, for a test that starts its own with ``serve``."""
    name: str = request.param
    return name


@pytest.fixture
def serve(project_data: Path) -> Iterator[Callable[..., Server]]:
    """Start a server of this test's own: ``serve(kind, REQUEST_SECONDS=0.5)``."""
    with ExitStack() as stack:

        def start(kind: str = ANY_KIND, **settings: Any) -> Server:
            return stack.enter_context(serving(kind, project_data, **settings))

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the log of every running server under a test that fails."""
    report = yield
    if report.failed:
        for running in RUNNING:
            log = running.log()[-LOG_CHARACTERS:]
            report.sections.append((f"log of {running.kind} on port {running.port}", log))
    return report
