"""Users of the test project, made and logged in from outside."""

from http.cookies import SimpleCookie
from uuid import uuid4

from tests.acceptance.client import Answer, Client
from tests.acceptance.servers import Page, Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CSRF_SECRET = "s" * 32  # any 32 letters are a secret to Django's double-submit check


def sign_up(server: Server) -> str:
    """Make a user and return the name."""
    name = f"user-{uuid4().hex[:12]}"
    assert server.http("POST", f"/sign-up/?user={name}").status == 201
    return name


def log_in(client: Client, name: str, **headers: str) -> Answer:
    """Log a user in over the socket."""
    return client.request("POST", "/log-in/", body=f"user={name}", headers={**FORM, **headers})


def log_in_by_http(server: Server, name: str) -> dict[str, str]:
    """Log a user in by plain HTTP and return the cookies that a browser would hold now."""
    headers = {**FORM, "Cookie": f"csrftoken={CSRF_SECRET}", "X-CSRFToken": CSRF_SECRET}
    page = server.http("POST", "/log-in/", f"user={name}".encode(), headers)
    assert page.status == 200, page
    return cookies_of(page)


def cookies_of(page: Page) -> dict[str, str]:
    """The cookies that an answer by HTTP sets."""
    jar = SimpleCookie()
    for value in page.headers.get_all("Set-Cookie") or []:
        jar.load(value)
    return {name: morsel.value for name, morsel in jar.items()}


def redeem(server: Server, ticket: str, origin: str | None, browser: str) -> Page:
    """Fetch the cookies of a ticket, as the browser whose Cookie header is ``browser``."""
    headers = {"X-WSRequest-Ticket": ticket, **({"Origin": origin} if origin else {})}
    if browser:
        headers["Cookie"] = browser
    return server.http("POST", "/ws/", headers=headers)


def browser_of(server: Server) -> dict[str, str]:
    """The cookie of a new browser, fetched by HTTP (PROTOCOL.md 6.3)."""
    page = redeem(server, "", server.origin, "")
    assert page.status == 204, page
    return cookies_of(page)


def user_of(client: Client) -> str:
    """Whom the server takes this connection for."""
    name: str = client.get("/who/").data["user"]
    return name
