"""The documentation site shows the files of the repository with links that work there."""

import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from wsrequest.request.environ import WebSocketInfo

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def conf() -> dict[str, Any]:
    """What stands in docs/conf.py."""
    return runpy.run_path(str(ROOT / "docs" / "conf.py"))


@pytest.mark.parametrize(
    "path, page, text, expected",
    [
        ("docs/live.md", "live", "[a](client.md#live)", "[a](client.md#live)"),
        ("docs/live.md", "live", "[a](#below)", "[a](#below)"),
        ("docs/live.md", "live", "[a](https://x.test/b)", "[a](https://x.test/b)"),
        ("docs/live.md", "live", "[a](../PROTOCOL.md#6-cookies)", "[a](protocol.md#6-cookies)"),
        ("docs/decisions/5.md", "decisions/5", "[a](../../PROTOCOL.md)", "[a](../protocol.md)"),
        ("docs/classic.md", "classic", "a [`b`](../examples/tornado_server.py) c", "a `b` c"),
        ("README.md", "index", "[MIT](LICENSE), [a](docs/live.md)", "MIT, [a](live.md)"),
        ("README.md", "index", "![x [y]](docs/images/a.png)", "![x [y]](images/a.png)"),
        ("benchmarks/README.md", "benchmarks/index", "[a](results/live.md)", "[a](live.md)"),
        ("docs/a.md", "a", "```\n[a](../LICENSE)\n```\n", "```\n[a](../LICENSE)\n```\n"),
    ],
)
def test_link_works_on_the_site(
    conf: dict[str, Any], path: str, page: str, text: str, expected: str
) -> None:
    assert conf["site_links"](text, path, page) == expected


def test_each_page_that_shows_another_file_links_to_it(conf: dict[str, Any]) -> None:
    for page, path in conf["PLACES"].items():
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        up = "../" * (page.count("/") + 1)
        assert f"The site shows [{path}]({up}{path}) here" in text
        assert (ROOT / path).is_file()


def test_api_page_has_each_public_name_and_no_other() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    described, module = set(), ""
    for directive, name in re.findall(r"^\.\. (\w+):: ([\w.]+)$", page, re.MULTILINE):
        if directive == "currentmodule":
            module = name
        else:
            described.add(name if name.startswith("wsrequest.") else f"{module}.{name}")
    modules = ["asgi", "live", "metrics", "push", "test", "test.drf", "test.runner"]
    public = {
        f"{module}.{name}"
        for module in ["wsrequest", *(f"wsrequest.{each}" for each in modules)]
        for name in importlib.import_module(module).__all__
    }
    assert described == public | {"wsrequest.errors.Refused"}


def test_api_page_has_each_attribute_of_a_request_s_websocket() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    section = page.partition("\n## request.websocket\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(named) == sorted(WebSocketInfo.__slots__)
