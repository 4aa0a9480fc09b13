"""docs/howto/long-job.md works as it is written: with a Celery worker, and with Django's tasks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django
import pytest

from benchmarks.browser import Chromium
from tests.acceptance.servers import ROOT, environ, wait_until
from tests.tutorial.steps import Block, Reader, sections
from tests.tutorial.test_tutorial import start
from tests.tutorial.test_tutorial import window as window

pytestmark = pytest.mark.once

STEPS = sections((ROOT / "docs" / "howto" / "long-job.md").read_text())
START = "document.querySelector('form').requestSubmit()"
STATE = "document.getElementById('state')?.textContent"
# What the bar has shown, as the page sees it.
RECORD = """(() => {
  const bar = document.getElementById('bar');
  globalThis.shown = [];
  new MutationObserver(() => shown.push(bar.value)).observe(bar, { attributes: true });
})()"""
# A backend whose tasks are threads, for the length of the test.
THREADS = Block(
    "python",
    """\
# mysite/threads.py
import threading

from django.tasks.backends.immediate import ImmediateBackend


class ThreadBackend(ImmediateBackend):
    def _execute_task(self, task_result):
        threading.Thread(target=super()._execute_task, args=(task_result,)).start()
""",
)


@contextmanager
def celery(directory: Path, redis_url: str) -> Iterator[None]:
    """Run the worker of the page, for the length of the block."""
    command = [sys.executable, "-m", "celery", "-A", "mysite", "worker", "--pool", "solo"]
    variables = environ(directory, REDIS_URL=redis_url, DJANGO_SETTINGS_MODULE="mysite.settings")
    with (
        (directory / "celery.log").open("wb") as log,
        subprocess.Popen(command, cwd=directory, env=variables, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def write(reader: Reader) -> None:
    """Do the steps before the project is run."""
    for name in ("1. Start a project", "2. Write the job", "3. Show it"):
        assert list(reader.follow(STEPS[name])) == []


def watch(
    reader: Reader, stack: ExitStack, window: Callable[[str], Chromium], redis_url: str
) -> None:
    """Run the project, start a job in one window, and watch it there and in another one."""
    assert list(reader.follow(STEPS["4. Run it"])) == ["python manage.py runserver"]
    origin = start(reader, stack, REDIS_URL=redis_url).origin
    one = window(f"{origin}/")
    one.evaluate(START)
    wait_until(lambda: one.evaluate(STATE) in ("waiting", "running"))
    one.evaluate(RECORD)
    other = window(f"{origin}/1/")
    for each in (one, other):
        wait_until(lambda each=each: each.evaluate(STATE) == "done: 1275")  # type: ignore[misc]
        assert each.evaluate("document.getElementById('bar').position") == 1
    shown = one.evaluate("shown")
    assert shown == sorted(shown) and len(set(shown)) > 5


def test_with_celery(tmp_path: Path, window: Callable[[str], Chromium], redis_url: str) -> None:
    reader = Reader(tmp_path)
    with ExitStack() as stack:
        write(reader)
        stack.enter_context(celery(reader.directory, redis_url))
        watch(reader, stack, window, redis_url)


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks since 6.0")
def test_with_django_tasks(
    tmp_path: Path, window: Callable[[str], Chromium], redis_url: str
) -> None:
    reader = Reader(tmp_path)
    with ExitStack() as stack:
        write(reader)
        assert list(reader.follow(STEPS["5. With Django's tasks"])) == []
        reader.write(THREADS)
        settings = reader.directory / "mysite" / "settings.py"
        backend = {"default": {"BACKEND": "mysite.threads.ThreadBackend"}}
        settings.write_text(f"{settings.read_text()}\nTASKS = {backend!r}\n")
        watch(reader, stack, window, redis_url)
