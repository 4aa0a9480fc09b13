"""What docs/migrating gives as the code after the move works as it is written."""

import re
from pathlib import Path

import pytest

from tests.acceptance.servers import ROOT
from tests.tutorial.steps import Block, Reader, sections

pytestmark = pytest.mark.once

PAGES = {"channels": "chat", "dcrf": "orders", "eventstream": "shop"}
"""The app of each page."""

INSIDE = Path(__file__).with_name("in_project.py")
SETTINGS = """
INSTALLED_APPS = ["wsrequest", *INSTALLED_APPS, "rest_framework", {apps}]
"""
URLS = """
from django.urls import include, path

urlpatterns = [{includes}]
"""


def after(page: str) -> list[Block]:
    """Return the blocks of a page below "After"."""
    text = (ROOT / "docs" / "migrating" / f"{page}.md").read_text(encoding="utf-8")
    return sections(text)["After"]


def test_code_after_the_move_works(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.run("django-admin startproject mysite .")
    for page, app in PAGES.items():
        for block in after(page):
            if block.language == "python":
                reader.write(block)
        (tmp_path / app / "__init__.py").touch()
    apps = ", ".join(map(repr, PAGES.values()))
    with (tmp_path / "mysite" / "settings.py").open("a") as settings:
        settings.write(SETTINGS.format(apps=apps))
    includes = ", ".join(f"path('', include('{app}.urls'))" for app in PAGES.values())
    (tmp_path / "mysite" / "urls.py").write_text(URLS.format(includes=includes))
    (tmp_path / "mysite" / "tests.py").write_text(INSIDE.read_text())
    assert "Ran 3 tests" in reader.run("python manage.py test mysite")


@pytest.mark.parametrize("page", PAGES)
def test_page_subscribes_to_a_url_that_was_tested(page: str) -> None:
    scripts = "".join(block.text for block in after(page) if block.language == "js")
    urls = re.findall(r'wsrequest\.\w+\("([^"]+)"', scripts)
    assert urls
    assert all(f'"{url}"' in INSIDE.read_text() for url in urls)
