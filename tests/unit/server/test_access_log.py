"""The lines of the access log, each of which stays one line with the same fields."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wsrequest.server import access_log

FORGED = '/a\r\nmethod=GET path=/b status=200\x1b[31m\x85\u2028 "ü'


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "wsrequest.access")
    return caplog


def fields(line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in line.split(" "))


def test_a_line_has_each_field_and_the_record_has_them_as_attributes(
    lines: pytest.LogCaptureFixture,
) -> None:
    access_log.write("GET", "/api/%20/", 200, 512, 0.00312, 7, "c1")
    assert lines.messages == [
        "method=GET path=/api/%20/ status=200 bytes=512 ms=3.1 user=7 connection=c1 rerun=no"
    ]
    (record,) = lines.records
    found: dict[str, Any] = vars(record)
    assert (found["method"], found["path"], found["status"]) == ("GET", "/api/%20/", 200)
    assert (found["bytes"], found["ms"], found["user"]) == (512, 3.12, "7")
    assert (found["connection"], found["rerun"]) == ("c1", "no")


def test_what_is_not_known_is_a_dash(lines: pytest.LogCaptureFixture) -> None:
    access_log.write("", "", 400, 0, 0.0, None, "", is_rerun=True)
    assert lines.messages == [
        "method=- path=- status=400 bytes=0 ms=0.0 user=- connection=- rerun=yes"
    ]


def test_neither_a_path_nor_a_user_can_forge_a_line_or_a_field(
    lines: pytest.LogCaptureFixture,
) -> None:
    access_log.write("GET", FORGED, 200, 0, 0.0, FORGED, "c1")
    (message,) = lines.messages
    assert message.isascii() and message.isprintable()
    assert list(fields(message)) == [
        "method", "path", "status", "bytes", "ms", "user", "connection", "rerun",
    ]  # fmt: skip
    assert fields(message)["status"] == "200"
    assert fields(message)["path"].startswith("/a%0D%0Amethod%3DGET%20path")


def test_a_path_without_end_does_not_make_a_line_without_end(
    lines: pytest.LogCaptureFixture,
) -> None:
    access_log.write("GET", "/" + "ü" * 100_000, 200, 0, 0.0, None, "c1")
    assert len(lines.messages[0]) < 7_000


def test_nothing_is_made_for_a_logger_that_takes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "wsrequest.access")
    access_log.write("GET", "/", 200, 0, 0.0, None, "c1")
    assert caplog.records == []


def test_the_configuration_on_the_page_shows_the_lines() -> None:
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text("utf-8")
    section = page.partition("\n## The access log\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    program = (
        f"{block}\nimport logging.config\nfrom wsrequest.server import access_log\n"
        "logging.config.dictConfig(LOGGING)\n"
        "access_log.write('GET', '/api/snippets/', 200, 512, 0.0031, 7, 'c1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    (example,) = re.findall(r"^    (method=.*)$", section, re.MULTILINE)
    assert done.stderr.partition(" method=")[2] == (
        example.partition("method=")[2].replace("4f0c…", "c1") + "\n"
    )
