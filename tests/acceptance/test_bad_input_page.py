"""docs/bad-input.md has the rows of ``bad_frames``, and the right status for each code."""

import re
from pathlib import Path

from tests.acceptance.bad_frames import ROWS
from wsrequest.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")


def test_page_has_each_row_of_frames_with_its_answer() -> None:
    section = PAGE.partition("\n## Frames that are refused\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (\d{3} `\w+`) \|$", section, re.MULTILINE)
    assert rows == [(input, row.answer) for input, row in ROWS.items()]


def test_page_gives_each_code_its_status() -> None:
    found = re.findall(r"(\d{3}) `(\w+)`(, temporary)?", PAGE)
    assert found
    for status, code, temporary in found:
        assert CODES[code] == (int(status), bool(temporary)), code
