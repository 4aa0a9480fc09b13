"""The log: who came and went, and nothing that would let its reader in."""

from typing import Any

import pytest

from tests.acceptance.accounts import FORM, log_in, sign_up
from tests.acceptance.client import connect
from tests.acceptance.servers import Server, wait_until
from tests.unit.peer import opened
from tests.unit.views import STAGES

SECRETS = {name: f"secret-{name}-4711" for name in ("token", "query", "body", "cookie", "header")}


@pytest.fixture
def loud(serve: Any) -> Server:
    """A server that logs all that the package has to say."""
    server: Server = serve(PROJECT_LOG_LEVEL="DEBUG", REQUEST_SECONDS=3)
    return server


def test_log_has_no_token_body_query_cookie_or_ticket(loud: Server) -> None:
    name = sign_up(loud)
    secrets = set(SECRETS.values())
    with connect(loud, origin=loud.origin, cookies={"a": SECRETS["cookie"]}) as client:
        secrets.add(str(log_in(client, name).first.head["cookies"]))
        secrets.add(client.get("/echo/").data["cookies"]["sessionid"])
        headers = {**FORM, "X-A": SECRETS["header"]}
        for path in (
            "/echo/",
            "/fault/raise/",
            "/fault/exit/",
            "/fault/none/",
            "/fault/cancelled/async/",
            "/fault/unprintable/",
            "/stream/broken/",
            "/no/such/page/",
        ):
            url = f"{path}?q={SECRETS['query']}"
            client.request("POST", url, body=SECRETS["body"], headers=headers)
            client.get(url, token=SECRETS["token"])
        client.get(f"/sleep/async/?seconds=30&q={SECRETS['query']}")
        client.get("//evil/" + SECRETS["query"])
        client.get("/echo/", headers={"Cookie": SECRETS["cookie"]})
        client.get("/echo/", token=SECRETS["token"] + "\n")
        client.socket.send('{"id":1,"url":"/","data":' + SECRETS["body"])
        client.receive()
    log = wait_until(lambda: loud.log() if " closed after " in loud.log() else "")
    assert "did not answer in time" in log
    assert {secret for secret in secrets if secret in log} == set()


def test_log_tells_who_came_what_was_refused_and_how_it_ended(loud: Server) -> None:
    name = sign_up(loud)
    with connect(loud, origin=loud.origin) as client:
        assert log_in(client, name).status == 200
        client.get("/echo/", headers={"X-Forwarded-For": "203.0.113.1"})
    log = wait_until(lambda: loud.log() if " closed after " in loud.log() else "")
    assert f"opened by 127.0.0.1, origin {loud.origin}" in log
    assert " is user " in log
    assert "refused, bad_header: header X-Forwarded-For" in log
    assert ": 1000 by the client, user " in log


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/hold/a%0AERROR%20forged%1B/", "/fail/a%0D%0AERROR%20forged/"])
async def test_a_url_begins_no_line_of_the_log(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(request_seconds=0.05) as peer:
        peer.say(id=1, url=path)
        await peer.last(1)
        for stage in STAGES.values():
            stage.go.set()
    told = [record.getMessage() for record in caplog.records if "forged" in record.getMessage()]
    assert told
    assert all(message.isprintable() for message in told)


@pytest.mark.asyncio
async def test_a_url_begins_no_line_when_django_has_no_answer(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.leave"]
    async with opened() as peer:
        peer.say(id=1, url="/quick/a%0AERROR%20forged/")
        assert (await peer.last(1)).status == 500
    told = [record.getMessage() for record in caplog.records if "forged" in record.getMessage()]
    assert told
    assert all(message.isprintable() for message in told)


def leave(get_response: Any) -> Any:
    """A middleware that ends the process, as far as it can."""

    def middleware(request: Any) -> Any:
        raise SystemExit(3)

    return middleware
