"""django-debug-toolbar: each message is in its history, with what its panels show."""

from uuid import uuid4

import pytest

from tests.acceptance.client import connect
from tests.tools.recorded import Tool

TOOL = "toolbar"


@pytest.mark.parametrize("path", ["/rows/", "/rows/async/"])
def test_a_message_is_in_the_history(tool: Tool, path: str) -> None:
    server, mark = tool.server, uuid4().hex
    with connect(server) as client:
        answer = client.get(path, data={"text": mark})
        assert answer.status in (200, 201)
    request_id = answer.headers["djdt-request-id"]
    page = server.http("GET", f"/__debug__/history_refresh/?request_id={request_id}")
    rows = {row["id"]: row["content"] for row in page.json()["requests"]}
    assert request_id in rows and f"?text={mark}" in rows[request_id]
    assert path in rows[request_id] and "GET" in rows[request_id]
    panel = "SQLPanel"
    page = server.http("GET", f"/__debug__/render_panel/?request_id={request_id}&panel_id={panel}")
    assert "SELECT" in page.json()["content"]
