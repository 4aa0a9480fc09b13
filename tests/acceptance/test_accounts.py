"""Sessions over the socket: login, logout, password, messages, and the cookies behind them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from tests.acceptance.accounts import (
    browser_of,
    cookies_of,
    log_in,
    log_in_by_http,
    redeem,
    sign_up,
    user_of,
)
from tests.acceptance.client import Client, connect
from tests.acceptance.servers import ACCEPTS_WITHOUT_HEADERS, Server


def test_login_holds_at_once(server: Server) -> None:
    name = sign_up(server)
    with connect(server, origin=server.origin) as client:
        assert user_of(client) == ""
        assert log_in(client, name).status == 200
        assert user_of(client) == name
        assert client.get("/who/async/").data == {"user": name}
        assert client.get("/api/member/").data == {"user": name}
    with connect(server, origin=server.origin) as stranger:
        assert user_of(stranger) == ""


def test_logout_holds_at_once(server: Server) -> None:
    with connect(server, origin=server.origin) as client:
        log_in(client, sign_up(server))
        assert client.get("/log-out/").data["user"] == ""
        assert user_of(client) == ""
        assert client.get("/api/member/").status == 403


def test_session_of_the_handshake_is_used(server: Server) -> None:
    name = sign_up(server)
    with connect(server, cookies=log_in_by_http(server, name)) as client:
        assert user_of(client) == name


def test_session_counts_over_one_connection_and_is_shared_by_its_cookie(server: Server) -> None:
    with connect(server) as first:
        assert [first.get("/count/").data["count"] for _ in range(3)] == [1, 2, 3]
        session = first.get("/echo/").data["cookies"]["sessionid"]
        with connect(server, cookies={"sessionid": session}) as second:
            assert second.get("/count/").data["count"] == 4
            assert first.get("/count/").data["count"] == 5
        page = server.http("GET", "/count/", headers={"Cookie": f"sessionid={session}"})
        assert page.json() == {"count": 6}


def test_cookies_of_responses_stay_with_the_connection(client: Client, server: Server) -> None:
    client.get("/cookies/?a=1&b=2")
    assert client.get("/echo/").data["cookies"] == {"a": "1", "b": "2"}
    client.get("/cookies/?a=3&delete=b")
    assert client.get("/echo/").data["cookies"] == {"a": "3"}
    client.get("/cookies/?c=4&path=/class/")
    assert client.get("/echo/").data["cookies"] == {"a": "3"}
    with connect(server) as other:
        assert other.get("/echo/").data["cookies"] == {}


def test_cookies_of_the_handshake_are_joined_by_those_of_responses(any_server: Server) -> None:
    with connect(any_server, cookies={"old": "1", "kept": "k"}) as client:
        client.get("/cookies/?old=2&new=3")
        assert client.get("/echo/").data["cookies"] == {"old": "2", "kept": "k", "new": "3"}


def test_cookies_are_shown_to_a_client_without_origin(client: Client) -> None:
    answer = client.get("/count/")
    value: Any = answer.headers["set-cookie"]
    assert "sessionid=" in str(value)
    assert "cookies" not in answer.first.head


def test_cookies_are_not_shown_to_a_browser_but_exchanged_for_a_ticket(server: Server) -> None:
    name = sign_up(server)
    with connect(server, origin=server.origin, cookies=browser_of(server)) as client:
        answer = log_in(client, name)
        assert "set-cookie" not in answer.headers
        ticket = answer.first.head["cookies"]
        page = redeem(server, ticket, server.origin, client.browser)
        assert (page.status, page.body) == (204, b"")
        (session,) = [
            value
            for value in page.headers.get_all("Set-Cookie") or []
            if value.startswith("sessionid=")
        ]
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(session.split("; "))
        cookie = "; ".join(f"{name}={value}" for name, value in cookies_of(page).items())
        assert server.http("GET", "/who/", headers={"Cookie": cookie}).json()["user"] == name
        assert "cookies" not in client.get("/who/").first.head


def test_ticket_works_once_and_for_its_origin_only(server: Server) -> None:
    with connect(server, origin=server.origin, cookies=browser_of(server)) as client:
        first = client.get("/cookies/?a=1").first.head["cookies"]
        second = client.get("/cookies/?a=2").first.head["cookies"]
    assert redeem(server, first, server.origin, client.browser).status == 204
    for ticket, origin in [
        (first, server.origin),
        (second, "https://evil.example"),
        ("no-such-ticket", server.origin),
    ]:
        page = redeem(server, ticket, origin, client.browser)
        assert 400 <= page.status < 500, (ticket, origin)
        assert page.headers.get("Set-Cookie") is None


def test_ticket_is_not_a_session(any_server: Server) -> None:
    browser = browser_of(any_server)
    with connect(any_server, origin=any_server.origin, cookies=browser) as client:
        ticket = client.get("/cookies/?a=1").first.head["cookies"]
    with connect(any_server, cookies={"sessionid": ticket}) as client:
        assert user_of(client) == ""
        assert client.get("/count/").data == {"count": 1}


def test_a_new_browser_gets_tickets_with_its_first_socket_or_is_told_how(
    any_server: Server,
) -> None:
    """Not every server sends the headers that a handshake is accepted with."""
    with connect(any_server, origin=any_server.origin) as client:
        assert client.hello is not None
        ticket = client.get("/cookies/?a=1").first.head["cookies"]
        if any_server.kind in ACCEPTS_WITHOUT_HEADERS:
            assert (client.hello["tickets"], ticket, client.browser) == ("bind", "", "")
        else:
            assert "tickets" not in client.hello
            assert redeem(any_server, ticket, any_server.origin, client.browser).status == 204
    with connect(any_server, origin=any_server.origin, cookies=browser_of(any_server)) as client:
        assert client.hello is not None and "tickets" not in client.hello
        ticket = client.get("/cookies/?a=1").first.head["cookies"]
        assert redeem(any_server, ticket, any_server.origin, client.browser).status == 204


def test_what_a_script_carries_away_is_worth_nothing_elsewhere(server: Server) -> None:
    """It opens a socket of its own, has a view touch the session, and redeems without cookies."""
    cookies = {**log_in_by_http(server, sign_up(server)), **browser_of(server)}
    session = cookies["sessionid"]
    with connect(server, origin=server.origin, cookies=cookies) as client:
        ticket = client.get("/count/").first.head["cookies"]
    page = redeem(server, ticket, server.origin, "")
    assert page.status == 403
    assert session not in str(page.headers)


def test_of_many_that_redeem_a_ticket_at_once_one_has_it(server: Server) -> None:
    with (
        connect(server, origin=server.origin, cookies=browser_of(server)) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        for n in range(30):
            ticket = client.get(f"/cookies/?a={n}").first.head["cookies"]
            asked = [
                pool.submit(redeem, server, ticket, server.origin, client.browser) for _ in range(4)
            ]
            assert sorted(each.result().status for each in asked) == [204, 403, 403, 403]


def test_logout_closes_the_other_sockets_of_the_session(server: Server) -> None:
    cookies = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as here, connect(server, cookies=cookies) as there:
        assert user_of(here) == user_of(there) != ""
        here.get("/log-out/")
        assert there.closed() == 4003
        assert user_of(here) == ""


def test_logout_by_http_closes_the_sockets_of_the_session(server: Server) -> None:
    cookies = log_in_by_http(server, sign_up(server))
    other = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as client, connect(server, cookies=other) as stranger:
        assert user_of(client) != ""
        name = user_of(stranger)
        server.http("GET", "/log-out/", headers={"Cookie": f"sessionid={cookies['sessionid']}"})
        assert client.closed() == 4003
        assert user_of(stranger) == name


def test_logout_finds_a_session_whose_cookie_came_in_quotes(server: Server) -> None:
    session = log_in_by_http(server, sign_up(server))["sessionid"]
    with connect(server, cookies={"sessionid": f'"{session}"'}) as client:
        assert user_of(client) != ""
        server.http("GET", "/log-out/", headers={"Cookie": f"sessionid={session}"})
        assert client.closed() == 4003


def test_logout_elsewhere_holds_on_the_next_message(serve: Callable[..., Server]) -> None:
    server = serve(CLOSE_ON_LOGOUT=False)
    cookies = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as here, connect(server, cookies=cookies) as there:
        assert user_of(there) != ""
        here.get("/log-out/")
        assert user_of(there) == ""


def test_password_change_keeps_its_session_and_ends_the_others(server: Server) -> None:
    name = sign_up(server)
    with (
        connect(server, origin=server.origin) as here,
        connect(server, origin=server.origin) as there,
    ):
        log_in(here, name)
        log_in(there, name)
        assert user_of(there) == name
        assert here.request("POST", "/password/").data["user"] == name
        assert user_of(here) == name
        assert user_of(there) == ""


def test_deactivated_user_is_nobody_on_the_next_message(server: Server) -> None:
    name = sign_up(server)
    with connect(server, origin=server.origin) as client:
        log_in(client, name)
        assert user_of(client) == name
        assert server.http("POST", f"/deactivate/?user={name}").json() == {"changed": 1}
        assert user_of(client) == ""


def test_messages_wait_for_the_next_request(client: Client) -> None:
    text = f"gespeichert {uuid4().hex}"
    client.get("/message/", data={"add": text})
    assert client.get("/message/").data == {"messages": [text]}
    assert client.get("/message/").data == {"messages": []}
