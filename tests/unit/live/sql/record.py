"""Records the statements that tests send, for ``test_sqlglot.py``. A plugin of pytest.

    python -m pytest -p tests.unit.live.sql.record tests/oracle/test_corpus.py tests/live

adds the queries and changes of these tests to ``recorded.json``, sorted and each only once. A run
is needed only to make the corpus larger.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

__all__ = ["RECORDED", "recorded"]

RECORDED = Path(__file__).with_name("recorded.json")

_RECORDED_VERBS = re.compile(r"[\s(]*(?:select|insert|update|delete|with|merge)\b", re.IGNORECASE)
# Longer lists of placeholders or rows are no other statement.
_LONG_LISTS = re.compile(r"((?:%s|\([%s, ]+\)), )\1{2,}")


def recorded() -> dict[str, list[str]]:
    """Return the statements by the vendor of their database."""
    found: dict[str, list[str]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


class _Recorder:
    def __init__(self) -> None:
        found = recorded() if RECORDED.exists() else {}
        self.found = {vendor: dict.fromkeys(texts) for vendor, texts in found.items()}

    def wrap(self, name: str) -> None:
        original = getattr(CursorWrapper, name)

        def recording(cursor: Any, sql: object, *args: Sequence[object]) -> Any:
            if isinstance(sql, str) and _RECORDED_VERBS.match(sql):
                texts = self.found.setdefault(cursor.db.vendor, {})
                texts[_LONG_LISTS.sub(r"\1\1", sql)] = None
            return original(cursor, sql, *args)

        setattr(CursorWrapper, name, recording)


def pytest_configure(config: pytest.Config) -> None:
    """Record what each cursor executes."""
    recorder = _Recorder()
    config.stash[_KEY] = recorder
    recorder.wrap("_execute")
    recorder.wrap("_executemany")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write what was recorded."""
    found = {vendor: sorted(texts) for vendor, texts in config.stash[_KEY].found.items()}
    RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


_KEY = pytest.StashKey[_Recorder]()
