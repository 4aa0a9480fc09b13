"""The demo's own tests over plain HTTP, and its set-up, each in a process with its settings."""

import json
import re
from pathlib import Path

from tests.demo.launch import manage


def test_demo_own_tests_pass(tmp_path: Path) -> None:
    printed = manage(tmp_path, "test", "snippets")
    ran = re.search(r"^Ran (\d+) tests", printed, re.MULTILINE)
    assert ran and int(ran[1]) > 30, printed
    assert re.search(r"^OK$", printed, re.MULTILINE), printed  # "OK (skipped=1)" is not enough


def test_demo_has_a_migration_for_each_change_of_its_model(tmp_path: Path) -> None:
    assert "No changes detected" in manage(tmp_path, "makemigrations", "--check", "--dry-run")


def test_demo_is_configured_without_a_warning(tmp_path: Path) -> None:
    printed = manage(tmp_path, "check", "--fail-level", "WARNING")
    assert "no issues (0 silenced)" in printed


def test_demo_is_seeded_and_erased_by_commands(tmp_path: Path) -> None:
    manage(tmp_path, "migrate", "--verbosity=0")
    assert "12 of 12 snippets created" in manage(tmp_path, "seed")
    assert "0 of 12 snippets created" in manage(tmp_path, "seed")
    assert manage(tmp_path, "erase_old_snippets", "--days", "0") == "12 snippets erased\n"


def test_demo_schema_describes_each_view_of_the_framework(tmp_path: Path) -> None:
    # A view that it cannot describe is an error here, and absent from a client's types.
    printed = manage(
        tmp_path, "spectacular", "--validate", "--fail-on-warn", "--format=openapi-json"
    )
    paths = json.loads(printed)["paths"]
    assert {"/api/snippets/{id}/", "/api/preview/", "/api/session/", "/api/token/"} <= set(paths)
