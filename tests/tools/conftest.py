"""One server for each tool, for the tests of its module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.recorded import Tool, watched_by


@pytest.fixture(scope="module")
def tool(request: pytest.FixtureRequest, project_data: Path) -> Iterator[Tool]:
    """A server with the tool that the module's ``TOOL`` names."""
    with watched_by(request.module.TOOL, project_data) as running:
        yield running
