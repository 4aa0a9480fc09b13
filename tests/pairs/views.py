"""The oracle's views as readers, and its writes, on one connection."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import resolve

from tests.oracle.programs import URLS, Dice
from tests.oracle.writes import MODES, USERS, WRITES, run

__all__ = ["View", "draw_view", "draw_write"]

# Left to the oracle: coroutines, views that wait, and what is answered without a statement.
_NOT_HERE = ("/cached/", "/async/", "/stream/async/", "/slow/", "/gated/", "/chance/")


class View:
    """A URL of the oracle, as somebody sees it."""

    def __init__(self, url: str, user: str) -> None:
        self.name = f"{url} as {user}"
        self._url, self._user = url, user
        self._match = resolve(url.partition("?")[0])

    def read(self) -> object:
        request = RequestFactory().get(self._url)
        request.user = get_user_model().objects.get(pk=USERS.index(self._user) + 1)
        try:
            response: Any = self._match.func(request, *self._match.args, **self._match.kwargs)
        except (Http404, PermissionDenied) as error:
            return type(error).__name__
        if hasattr(response, "render"):
            response.render()
        body = b"".join(response) if response.streaming else response.content
        return response.status_code, body


def draw_view(dice: Dice) -> View:
    while True:
        url = dice.choice(URLS)(dice)
        if not url.startswith(_NOT_HERE):
            return View(url, dice.choice(USERS))


def draw_write(dice: Dice) -> tuple[str, Callable[[], object]]:
    """A transaction of the oracle, with the name of its first operation."""
    mode = dice.choices(MODES, (8, 5, 1, 1, 0.5, 0.5, 0.5))[0]
    name = dice.choice(_NAMES)
    numbers = [dice.randrange(1000) for _ in range(3)]
    return name, lambda: run(mode, [[name, *numbers]])


_NAMES = sorted(WRITES)


def views(dice: Dice, count: int) -> Iterator[View]:
    """Readers to begin with."""
    for _ in range(count):
        yield draw_view(dice)
