"""The documents and the code name the same settings, checks and errors."""

import ast
import re
from pathlib import Path

import pytest

import wsrequest.checks
import wsrequest.faults
from wsrequest.bus import delivery
from wsrequest.conf import SETTINGS
from wsrequest.errors import CODES
from wsrequest.live import commit_log, retained_reads
from wsrequest.live.sql.predicates import MAX_ROWS_OF_A_TEXT
from wsrequest.live.sql.statement_cache import MAX_BYTES
from wsrequest.live.sql.tokenizer import MAX_CHARACTERS, MAX_TOKENS
from wsrequest.protocol.messages import LiveState
from wsrequest.request import cookies
from wsrequest.request.set_cookie import MAX_PAIR_BYTES

ROOT = Path(__file__).resolve().parent.parent
CHECK_ID = re.compile(r"(?<![\w.])(?:wsrequest\.)?([CEWI]\d{3})\b")


def document(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def headings(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("#"))


def check_ids() -> set[str]:
    """Return what follows ``wsrequest.`` in the ids that stand in the code of the checks."""
    home = Path(str(wsrequest.checks.__file__))
    sources = [*home.parent.rglob("*.py"), Path(str(wsrequest.faults.__file__))]
    return {
        check_id
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for check_id in CHECK_ID.findall(node.value)
    }


def refusals(section: str) -> dict[str, tuple[int, bool]]:
    """Return the code of each row of a table, with its status and whether it is temporary."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes|no) \|", section, re.MULTILINE)
    return {code: (int(status), temporary == "yes") for code, status, temporary in rows}


def test_settings_page_has_a_heading_for_each_setting() -> None:
    named = re.findall(r"\bWSREQUEST_\w+", headings(document("docs/settings.md")))
    assert sorted(named) == sorted(SETTINGS)


def test_settings_page_names_no_setting_that_is_gone() -> None:
    named = set(re.findall(r"\bWSREQUEST_[A-Z_]*[A-Z]", document("docs/settings.md")))
    assert named == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_page_begins_each_setting_with_its_default(name: str) -> None:
    section = document("docs/settings.md").partition(f"\n### {name}\n\n")[2]
    written = re.match(r"Default:? `([^`]+)`", section)
    assert written, section[:80]
    assert eval(written[1], {"__builtins__": {}}) == SETTINGS[name].default


def test_checks_page_names_each_check() -> None:
    ids = check_ids()
    assert len(ids) > 0
    assert set(CHECK_ID.findall(document("docs/checks.md"))) == ids


def test_protocol_gives_each_error_code_with_its_status() -> None:
    section = document("PROTOCOL.md").partition("\n5.2 ")[2].partition("\n## ")[0]
    assert refusals(section) == CODES


def test_page_of_errors_says_of_each_code_what_to_do() -> None:
    page = document("docs/errors.md").partition("\n## Refusals\n")[2]
    section, _, closing = page.partition("\n## Close codes\n")
    assert refusals(section) == CODES
    row = re.compile(r"^\| \**([\d, ]+)\** \|", re.MULTILINE)
    protocol = document("PROTOCOL.md").partition("\n## 7. Close codes\n")[2].partition("\n7.1 ")[0]
    named = [
        {code for codes in row.findall(text) for code in codes.split(", ")}
        for text in (protocol, closing.partition("\n## ")[0])
    ]
    assert named[0] == named[1]
    assert {"1000", "4005", "4500"} <= named[0]


def test_memory_of_a_process_names_the_limits_that_are_fixed() -> None:
    section = document("docs/security.md").partition("\n## Memory of a process\n")[2]
    rows = section.partition("\n## ")[0].splitlines()
    jar, texts, logged, remembered, waiting = (row for row in rows if "| fixed: " in row)
    assert f"fixed: {MAX_PAIR_BYTES // 1024} KiB" in jar
    assert f" {cookies._MAX_BYTES // 1024} KiB for all" in jar
    assert f" {2 * cookies._MAX_BYTES // 1024} KiB each" in jar
    for number in (MAX_CHARACTERS, MAX_TOKENS, MAX_ROWS_OF_A_TEXT):
        assert f" {number:,} " in texts
    assert texts.endswith(f" {MAX_BYTES // 2**20} MiB |")
    assert logged.endswith(f" {commit_log._MAX_BYTES // 2**20} MiB |")
    assert (
        f" {commit_log._MAX_COMMITS:,} commits" in logged
        and f" {commit_log._MAX_TABLES:,} at most" in logged
    )
    assert remembered.endswith(f" {retained_reads._MAX_BYTES // 2**20} MiB |")
    assert f"Above {delivery._LIGHTEN_ABOVE_BYTES // 2**20} MiB" in waiting
    assert waiting.endswith(f" {delivery._MAX_BYTES // 2**20} MiB |")


def test_page_about_the_client_s_source_names_each_module_and_no_other() -> None:
    named = set(re.findall(r"`(\w+\.ts)`", document("docs/client-source.md")))
    source = ROOT / "client/src"
    paths = (path for folder in ("", "pages/", "admin/") for path in source.glob(f"{folder}*.ts"))
    assert named == {path.name for path in paths}


def test_states_of_a_live_request_are_the_same_everywhere() -> None:
    """client/tests/documentation.test.ts compares those of the client with docs/client.md."""
    section = document("PROTOCOL.md").partition("\n4.10 ")[2].partition("\n## ")[0]
    states = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert states == [*LiveState]
    client = document("client/src/subscription.ts")
    listed = re.search(r"LIVE_STATES = \[(.*?)\]", client)
    assert listed and re.findall(r'"(\w+)"', listed[1]) == states
    table = document("docs/client.md").partition("| state | is what you")[2].partition("\n\n")[0]
    assert re.findall(r'^\| `"(\w+)"` \|', table, re.MULTILINE) == states
