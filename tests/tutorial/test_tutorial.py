"""The tutorial works as it is written: each command and each file, with Chromium as the reader."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from benchmarks.browser import Chromium, program
from tests.acceptance.commands import running
from tests.acceptance.servers import Server, wait_until
from tests.ports import free_port
from tests.tutorial.steps import PAGE, PASSWORD, Reader, sections

pytestmark = pytest.mark.once

# The packages are those of this environment: it has done the first section already.
INSTALL = """\
git clone ADDRESS_OF_THIS_REPOSITORY wsrequest
python -m venv tutorial
. tutorial/bin/activate
pip install ./wsrequest
"""
LIST = "[...document.querySelectorAll('li')].map((item) => item.textContent)"
ADD = """(() => {{
  document.querySelector('[name=title]').value = {title!r};
  document.querySelector('form').requestSubmit();
}})()"""


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Callable[[str], Chromium]]:
    """Open a window at an address.

    Without Chromium a skip, or a failure when CI or TEST_ALL is set.
    """
    found = program()
    if found is None:
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail("Chromium was not found")
        pytest.skip("Chromium was not found")
    with ExitStack() as stack:

        def open_window(url: str) -> Chromium:
            profile = tmp_path / f"chromium-{len(os.listdir(tmp_path))}"
            profile.mkdir()
            chromium = Chromium(found, str(profile))
            stack.callback(chromium.stop)
            chromium.visit(url)
            return chromium

        yield open_window


class Admin:
    """Django's admin, as somebody who logs in and fills in its forms."""

    def __init__(self, server: Server) -> None:
        self._origin = server.origin
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self.submit("/admin/login/", username="admin", password=PASSWORD, next="/admin/")

    def submit(self, path: str, **fields: object) -> str:
        """Send the form of a page with these fields, and return the page that follows."""
        url = self._origin + path
        with self._opener.open(url, timeout=20) as page:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert token
        body = urlencode({"csrfmiddlewaretoken": token[1], **fields}, doseq=True).encode()
        with self._opener.open(url, body, timeout=20) as page:
            text: str = page.read().decode()
        assert 'class="errornote"' not in text
        return text


def tasks(window: Chromium) -> list[str]:
    found: list[str] = window.evaluate(LIST)
    return found


def shows(window: Chromium, *expected: str) -> None:
    """Wait until the list has these tasks."""
    wait_until(lambda: tasks(window) == [*expected])


def start(reader: Reader, stack: ExitStack, **variables: str) -> Server:
    """Start the development server on a free port, since 8000 may be taken."""
    port = free_port()
    return stack.enter_context(
        running(
            reader.directory,
            *("runserver", str(port)),
            port=port,
            manage_py=reader.directory / "manage.py",
            DJANGO_SETTINGS_MODULE="mysite.settings",
            **variables,
        )
    )


def is_printed(line: str, server: Server) -> bool:
    return line.replace("8000", str(server.port)) in server.log()


def test_tutorial_works_as_it_is_written(tmp_path: Path, window: Callable[[str], Chromium]) -> None:
    steps = sections(PAGE.read_text(encoding="utf-8"))
    install, project, app, run, live, *rest = steps.values()
    assert [block.text for block in install] == [INSTALL]
    assert not any(rest)
    reader = Reader(tmp_path)
    assert [*reader.follow(project), *reader.follow(app)] == []

    with ExitStack() as stack:
        command, *addresses, request = reader.follow(run)
        assert command == "python manage.py runserver"
        server = start(reader, stack)
        assert all(is_printed(line, server) for line in addresses)
        page = window(f"{server.origin}/")
        wait_until(lambda: page.evaluate("wsrequest.state") == "open")
        wait_until(lambda: "GET /api/tasks/" in server.log())
        page.evaluate(ADD.format(title="Write a tutorial"))
        wait_until(lambda: is_printed(request, server))
        assert tasks(page) == []  # it has asked once
        page.visit(f"{server.origin}/")
        shows(page, "Write a tutorial")

        assert [*reader.follow(live)] == []
        changed = reader.directory / "tasks/templates/tasks/page.html"

        def is_reloaded() -> bool:
            os.utime(changed)  # the reloader may have looked first after the change
            return b"wsrequest.live" in server.http("GET", "/").body

        wait_until(is_reloaded)
        page.visit(f"{server.origin}/")
        other = window(f"{server.origin}/")
        for each in (page, other):
            shows(each, "Write a tutorial")
        page.evaluate(ADD.format(title="Test it"))
        for each in (page, other):
            shows(each, "Write a tutorial", "Test it")

        admin = Admin(server)
        admin.submit("/admin/tasks/task/add/", title="Publish it")
        for each in (page, other):
            shows(each, "Write a tutorial", "Test it", "Publish it")
        admin.submit("/admin/tasks/task/1/change/", title="Write a tutorial", is_done="on")
        shows(other, "Write a tutorial (done)", "Test it", "Publish it")
        chosen = {"action": "delete_selected", "_selected_action": ["2", "3"], "post": "yes"}
        admin.submit("/admin/tasks/task/", **chosen)
        shows(other, "Write a tutorial (done)")
        assert "Traceback" not in server.log()
