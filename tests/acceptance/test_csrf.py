"""Cross-site request forgery: a checked Origin stands for the token, else Django's check holds."""

from tests.acceptance.accounts import FORM, log_in, log_in_by_http, sign_up, user_of
from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server


def post_form(client: Client, **headers: str) -> int:
    answer = client.request("POST", "/form/", body="text=x", headers={**FORM, **headers})
    assert answer.error is None
    return answer.status


def test_csrf_checked_origin_stands_for_the_token(server: Server) -> None:
    with connect(server, origin=server.origin) as client:
        assert post_form(client) == 200


def test_csrf_token_is_needed_without_origin(server: Server) -> None:
    cookies = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as client:
        assert post_form(client) == 403
        assert post_form(client, **{"X-CSRFToken": "t" * 32}) == 403
        token = client.get("/form/").data["token"]
        assert post_form(client, **{"X-CSRFToken": token}) == 200
        body = f"text=x&csrfmiddlewaretoken={token}"
        assert client.request("POST", "/form/", body=body, headers=FORM).data == {"posted": "x"}


def test_csrf_token_of_the_connection_is_enough_without_handshake_cookies(server: Server) -> None:
    name = sign_up(server)
    with connect(server) as client:
        assert log_in(client, name).status == 403
        token = client.get("/form/").data["token"]
        assert log_in(client, name, **{"X-CSRFToken": token}).status == 200
        assert user_of(client) == name


def test_csrf_of_rest_sessions_follows_the_same_rule(server: Server) -> None:
    name = sign_up(server)
    cookies = log_in_by_http(server, name)
    with connect(server, cookies=cookies, origin=server.origin) as client:
        assert client.request("POST", "/api/member/", data=1).data == {"user": name, "data": 1}
    with connect(server, cookies=cookies) as client:
        answer = client.request("POST", "/api/member/", data=1)
        assert answer.status == 403
        assert "CSRF" in answer.data["detail"]
        headers = {"X-CSRFToken": cookies["csrftoken"]}
        assert client.request("POST", "/api/member/", data=1, headers=headers).status == 201


def test_csrf_does_not_touch_safe_methods(any_client: Client) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert any_client.request(method, "/form/").status == 200
