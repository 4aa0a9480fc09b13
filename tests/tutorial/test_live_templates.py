"""docs/howto/live-templates.md works as it is written, in two windows of Chromium."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.browser import Chromium
from tests.acceptance.servers import ROOT, wait_until
from tests.tutorial.steps import Reader, sections
from tests.tutorial.test_tutorial import start
from tests.tutorial.test_tutorial import window as window

pytestmark = pytest.mark.once

STEPS = sections((ROOT / "docs" / "howto" / "live-templates.md").read_text())
LIST = "[...document.querySelectorAll('li')].map((item) => item.textContent)"
STATE = "document.documentElement.dataset.liveState"
ADD = """(() => {{
  document.querySelector('[name=text]').value = {text!r};
  document.querySelector('form').requestSubmit();
}})()"""
HALF_WRITTEN = """(() => {
  const field = document.querySelector('[name=text]');
  field.focus();
  field.value = 'half a thought';
  field.setSelectionRange(2, 4);
})()"""
KEPT = """(() => {
  const field = document.querySelector('[name=text]');
  const { value, selectionStart, selectionEnd } = field;
  return document.activeElement === field && [value, selectionStart, selectionEnd];
})()"""


def rows(window: Chromium) -> list[str]:
    found: list[str] = window.evaluate(LIST)
    return found


def messages(window: Chromium) -> list[str]:
    found: list[str] = window.evaluate(
        "[...document.querySelectorAll('.message')].map((item) => item.textContent)"
    )
    return found


def test_page_is_followed(tmp_path: Path, window: Callable[[str], Chromium]) -> None:
    reader = Reader(tmp_path)
    with ExitStack() as stack:
        for name in ("1. Start a project", "2. Write the app"):
            assert list(reader.follow(STEPS[name])) in ([], ["python manage.py runserver"])
        for name in ("3. Make it live", "4. Show it on every page"):
            assert list(reader.follow(STEPS[name])) == []
        server = start(reader, stack)
        one, two = window(f"{server.origin}/"), window(f"{server.origin}/")
        for each in (one, two):
            wait_until(lambda each=each: each.evaluate(STATE) == "live")  # type: ignore[misc]
            assert "0 notes" in each.evaluate("document.querySelector('live-region').textContent")
        one.evaluate(HALF_WRITTEN)
        two.evaluate(ADD.format(text="bread"))
        wait_until(lambda: rows(one) == ["bread"])
        wait_until(lambda: rows(two) == ["bread"] and two.evaluate(STATE) == "live")
        assert one.evaluate(KEPT) == ["half a thought", 2, 4]
        assert messages(two) == ["Saved."] and messages(one) == []
        two.evaluate(ADD.format(text="milk"))
        wait_until(lambda: rows(one) == ["milk", "bread"])
        assert one.evaluate(KEPT) == ["half a thought", 2, 4] and messages(one) == []
