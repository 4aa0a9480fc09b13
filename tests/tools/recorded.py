"""A server with a tool in it, and what the tool had to say."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.servers import Server, serving, wait_until


class Tool:
    """What the tool in one server has recorded.

    Args:
        server: that runs one of ``programs``.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind, in its order."""
        path = self.server.log_path.parent / "recorded"
        if not path.exists():
            return []
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [content for name, content in lines if name == kind]

    def wait_for(
        self, kind: str, holds: Callable[[dict[str, Any]], Any], count: int = 1
    ) -> list[dict[str, Any]]:
        """Wait for ``count`` of a kind for which ``holds`` is true; return all there are."""

        def found() -> list[dict[str, Any]]:
            matching = [content for content in self.all(kind) if holds(content)]
            return matching if len(matching) >= count else []

        matching: list[dict[str, Any]] = wait_until(found)
        return matching


@contextmanager
def watched_by(
    tool: str, data: Path, kind: str = "uvicorn-sansio", **settings: Any
) -> Iterator[Tool]:
    """Serve the project with a tool for the length of the block.

    Args:
        tool: a module of ``programs``.
        data: as for ``serving``.
        kind: likewise.
        settings: likewise.
    """
    application = f"tests.tools.programs.{tool}:application"
    with serving(kind, data, application=application, **settings) as server:
        yield Tool(server)
