"""A logout in one process closes the sockets of its session in all others."""

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.accounts import CSRF_SECRET, FORM, log_in_by_http, sign_up, user_of
from tests.acceptance.client import connect
from tests.processes.conftest import Site, on_one_broker

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]


def test_logout_by_http_closes_the_sockets_of_another_process(site: Site) -> None:
    sockets, http = site.runwebsockets(), site.serve("gunicorn")
    user, other = sign_up(http), sign_up(http)
    cookies, others = log_in_by_http(http, user), log_in_by_http(http, other)
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    with (
        connect(sockets, subprotocol=None, cookies=cookies) as client,
        connect(sockets, subprotocol=None, cookies=others) as stays,
    ):
        assert (user_of(client), user_of(stays)) == (user, other)
        token = {**FORM, "X-CSRFToken": cookies.get("csrftoken", CSRF_SECRET)}
        page = http.http("POST", "/log-out/", b"", {**token, "Cookie": header})
        assert page.status == 200, page
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003
        assert user_of(stays) == other


@on_one_broker
def test_command_closes_the_sockets_of_a_session(site: Site) -> None:
    sockets = site.runwebsockets()
    http = site.serve("gunicorn")
    user = sign_up(http)
    cookies = log_in_by_http(http, user)
    with connect(sockets, subprotocol=None, cookies=cookies) as client:
        assert user_of(client) == user
        site.shell(f"from wsrequest import close_sockets; close_sockets({cookies['sessionid']!r})")
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003
