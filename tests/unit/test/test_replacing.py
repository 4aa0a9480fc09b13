"""Suites without any edit: the replacement, the test runner and the pytest plugin."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.test.client import AsyncClientHandler, ClientHandler
from rest_framework.test import APIClient

from wsrequest.test import plugin, replace_django_clients
from wsrequest.test.runner import WebSocketRunner

ROOT = Path(__file__).resolve().parents[3]


class OwnHandler(ClientHandler):
    """A handler as DRF and others make them, before anything is replaced."""


class OwnClient(Client):
    def __init__(self) -> None:
        super().__init__()
        self.handler = OwnHandler(enforce_csrf_checks=False)


def transport(client: Client) -> str:
    return client.get("/echo/")["X-Transport"]


@pytest.mark.parametrize("kind", [Client, OwnClient, APIClient])
@pytest.mark.django_db
def test_every_client_is_replaced_until_the_end(kind: type[Client]) -> None:
    made_before = kind()
    with replace_django_clients():
        assert (transport(made_before), transport(kind())) == ("websocket", "websocket")
    assert (transport(made_before), transport(kind())) == ("http", "http")


@pytest.mark.asyncio
async def test_async_client_is_replaced_too() -> None:
    with replace_django_clients():
        assert (await AsyncClient().get("/echo/"))["X-Transport"] == "websocket"
    assert (await AsyncClient().get("/echo/"))["X-Transport"] == "http"


def test_replacing_twice_is_undone_once_each() -> None:
    before = ClientHandler.__call__, AsyncClientHandler.__call__
    outer, inner = replace_django_clients(), replace_django_clients()
    inner.close()
    assert transport(Client()) == "websocket"
    outer.close()
    assert (ClientHandler.__call__, AsyncClientHandler.__call__) == before


def test_plugin_replaces_until_pytest_ends() -> None:
    class Config:
        def add_cleanup(self, cleanup: Any) -> None:
            self.cleanup = cleanup

    config = Config()
    plugin.pytest_configure(config)
    try:
        assert transport(Client()) == "websocket"
    finally:
        config.cleanup()
    assert transport(Client()) == "http"


SUITE = """
from django.test import Client, TestCase

class Untouched(TestCase):
    def test_one(self):
        self.assertEqual(self.client.get("/echo/")["X-Transport"], "websocket")
        self.assertEqual(Client().get("/echo/")["X-Transport"], "websocket")
"""


@pytest.mark.slow  # each starts a test run of its own
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            ["-m", "django", "test", "--testrunner", "wsrequest.test.runner.WebSocketRunner"],
            id="runner",
        ),
        pytest.param(
            ["-m", "pytest", "-p", "wsrequest.test.plugin", "-c", "pytest.ini"], id="plugin"
        ),
    ],
)
def test_suite_runs_over_the_socket_without_an_edit(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_untouched.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={
            "DJANGO_SETTINGS_MODULE": "tests.project.settings",
            "PYTHONPATH": str(ROOT),
            "PROJECT_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout or "Ran 1 test" in done.stderr


def test_runner_puts_the_clients_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        "django.test.runner.DiscoverRunner.run_tests",
        lambda self, labels, **named: seen.append((labels, transport(Client()))) or 3,
    )
    assert WebSocketRunner(verbosity=0).run_tests(["app"]) == 3
    assert seen == [(["app"], "websocket")]
    assert transport(Client()) == "http"


OWN_SETTINGS = """
from tests.project.settings import *
TEST_RUNNER = "{runner}"
"""
OWN_RUNNERS = """
from django.test.runner import DiscoverRunner

class Mine(DiscoverRunner):
    @classmethod
    def add_arguments(cls, parser):
        super().add_arguments(parser)
        parser.add_argument("--word")

    def __init__(self, word=None, **kwargs):
        super().__init__(**kwargs)
        self.word = word

    def run_tests(self, labels, **kwargs):
        print("mine", self.word)
        return super().run_tests(labels, **kwargs)

class NoEnvironment:
    # as a runner that starts pytest

    def __init__(self, **kwargs):
        pass

    def run_tests(self, labels, **kwargs):
        from django.test import Client
        from django.test.utils import setup_test_environment
        setup_test_environment()
        print("none:", Client().get("/echo/")["X-Transport"])
        return 0
"""
BUILT = """
from wsrequest.test.runner import WebSocketRunner

class OnOurs(WebSocketRunner):
    def run_tests(self, labels, **kwargs):
        print("on ours")
        return super().run_tests(labels, **kwargs)
"""


@pytest.mark.slow  # each starts a test run of its own
@pytest.mark.parametrize(
    ("runner", "options", "said"),
    [
        pytest.param("own_runners.Mine", ["--word=hello"], "mine hello", id="with its options"),
        pytest.param("own_runners.NoEnvironment", [], "none: websocket", id="of run_tests only"),
        pytest.param("built.OnOurs", None, "on ours", id="built on ours"),
    ],
)
def test_runner_builds_on_the_projects_own(
    runner: str, options: list[str] | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "test_untouched.py").write_text(SUITE)
    (tmp_path / "own_settings.py").write_text(OWN_SETTINGS.format(runner=runner))
    (tmp_path / "own_runners.py").write_text(OWN_RUNNERS)
    (tmp_path / "built.py").write_text(BUILT)
    ours = [] if options is None else ["--testrunner", "wsrequest.test.runner.WebSocketRunner"]
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", *ours, *(options or ())],
        cwd=tmp_path,
        env={
            "DJANGO_SETTINGS_MODULE": "own_settings",
            "PYTHONPATH": f"{ROOT}:{tmp_path}",
            "PROJECT_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout
