"""What a connection believes its browser to hold, so that a ticket changes nothing newer.

A connection starts with the cookies that its handshake showed. The browser goes on by HTTP and over
other sockets: it logs in, it logs out. A cookie that an answer sets on the connection must not undo
that. So each line of a ticket comes with the values that the browser may hold if nobody else has
changed the cookie: compare and set. What the request that redeems a ticket really shows is
compared in ``is_expected``.
"""

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

from wsrequest.request.cookies import cookie_pairs, path_matches
from wsrequest.request.set_cookie import Cookie

__all__ = ["BrowserCookies", "Issue", "ShownCookies", "is_expected"]

_MAX_NAMES = 100
"""Cookies by name that are looked after at a time. The one set first gives way to one more."""
_MAX_VALUES = 8
"""Values of one cookie that may be expected: those it started with, and the last ones."""
_ABSENT = "-"


class Issue:
    """One ticket, as far as later ones need to know of it.

    Attributes:
        key: in the store.
        holder: the browser and origin that it is for.
        ends: epoch seconds.
        cookies: hashes of the keys of the cookies that it sets.
        is_stored: whether its record lies in the store by now.
        is_over: whether it was redeemed, or its time is over.
        trail: leads to the ticket by which its lines can be had.
    """

    __slots__ = ("cookies", "ends", "holder", "is_over", "is_stored", "key", "trail")

    def __init__(self, key: str, holder: str, ends: float, cookies: Iterable[int] = ()) -> None:
        self.key, self.holder, self.ends = key, holder, ends
        self.cookies = frozenset(cookies)
        self.is_stored = self.is_over = False
        self.trail = Trail(self)

    def take_over(self, earlier: "Issue") -> None:
        """The lines of an earlier ticket can be had by this one from now on."""
        self.trail = earlier.trail.join(self.trail, self)


class Trail:
    """Where the lines of a ticket can be had now, and of all that gave way to one another.

    Whoever asked for the first of them asks for the last. What they keep is this, and not the
    tickets between: a browser that fetches none makes thousands of those (a forest of disjoint
    sets, whose trees stay low because the lower one always goes under the higher).

    Args:
        issue: the ticket.
    """

    __slots__ = ("_height", "_leads_to")

    def __init__(self, issue: Issue) -> None:
        self._leads_to: Issue | Trail = issue
        self._height = 0

    @property
    def last(self) -> Issue:
        """The ticket by which the lines can be had now."""
        found = self._leads_to
        while isinstance(found, Trail):
            found = found._leads_to
        return found

    def join(self, other: "Trail", issue: Issue) -> "Trail":
        """Return the trail that this one and another are from now on; it leads to ``issue``."""
        upper, lower = self._root(), other._root()
        if upper._height < lower._height:
            upper, lower = lower, upper
        upper._leads_to = issue
        if lower is not upper:
            if upper._height == lower._height:
                upper._height += 1
            lower._leads_to = upper
        return upper

    def _root(self) -> "Trail":
        trail = self
        while isinstance(trail._leads_to, Trail):
            trail = trail._leads_to
        return trail


class ShownCookies:
    """The values that a Cookie header shows for some cookies, as digests.

    The header is read once, and not before the first question: it may hold thousands of cookies,
    and a ticket has up to 64 lines.

    Args:
        header: of a request, "" without.
        names: of all cookies that ``values`` will be asked for.
    """

    __slots__ = ("_header", "_names", "_values")

    def __init__(self, header: str, names: Collection[str]) -> None:
        self._header, self._names = header, frozenset(names)
        self._values: dict[str, list[str]] | None = None

    def values(self, name: str) -> list[str]:
        """The values of a cookie, in their order; of one that is not shown what stands for that."""
        if self._values is None:
            self._values = {}
            for shown, value in cookie_pairs(self._header):
                if shown in self._names:
                    self._values.setdefault(shown, []).append(_digest(value))
        return self._values.get(name, [_ABSENT])


class _Given(NamedTuple):
    """What was last done to the cookies of one name."""

    expected: str  # digests of what the browser may have held before
    values: str  # digests of what it holds once it has redeemed the ticket
    trail: Trail


class BrowserCookies:
    """The values that the browser of one connection may hold. Thread-safe.

    Args:
        header: the Cookie header of the handshake, "" without.
        path: of the handshake. Cookies that a browser does not send there cannot be compared.
    """

    __slots__ = ("_given", "_header", "_lock", "_path")

    def __init__(self, header: str, path: str) -> None:
        self._header, self._path = header, path
        self._lock = Lock()
        self._given: dict[str, _Given] = {}  # by a digest of the name, which may be long

    def expect(
        self, cookies: Iterable[Cookie], issue: Issue, is_waiting: Callable[[Issue], bool]
    ) -> list[str | None]:
        """Note that a ticket is issued.

        Args:
            cookies: of its lines.
            issue: the ticket.
            is_waiting: whether the last of earlier ones may still be redeemed. It may ask a store.

        Returns:
            For each cookie the digests of the values that the browser may hold for it to be set;
            None where any will do, since the request that redeems does not show the cookie.
        """
        by_name: dict[str, list[str]] = {}
        found: list[str | None] = []
        for cookie in cookies:
            if path_matches(self._path, cookie.path):
                has_ended = cookie.expires is not None and cookie.age <= 0
                value = _ABSENT if has_ended else _digest(cookie.value)
                found.append(cookie.name)
                by_name.setdefault(cookie.name, []).append(value)
            else:
                found.append(None)
        with self._lock:
            givens = [g for name in by_name if (g := self._given.get(_digest(name))) is not None]
        # The store is not asked under the lock, and once for each ticket.
        lasts = {given.trail: given.trail.last for given in givens}
        waiting = {last: is_waiting(last) for last in set(lasts.values())}
        over = {id(given) for given in givens if not waiting[lasts[given.trail]]}
        shown = ShownCookies(self._header, by_name)
        with self._lock:
            expected = {
                name: self._give(name, values, issue, over, shown)
                for name, values in by_name.items()
            }
        return [None if name is None else expected[name] for name in found]

    def _give(
        self, name: str, values: list[str], issue: Issue, over: set[int], shown: ShownCookies
    ) -> str:
        key = _digest(name)
        given = self._given.pop(key, None)
        if given is None:
            expected = " ".join(shown.values(name)[:_MAX_VALUES])
            if len(self._given) >= _MAX_NAMES:
                del self._given[next(iter(self._given))]
        elif id(given) in over:
            expected = given.values  # the browser has them, unless somebody else has changed them
        else:
            known = dict.fromkeys(f"{given.expected} {given.values}".split())
            expected = " ".join([*list(known)[:1], *list(known)[1:][1 - _MAX_VALUES :]])
        self._given[key] = _Given(expected, " ".join(values[-_MAX_VALUES:]), issue.trail)
        return expected


def is_expected(name: str, expected: str, shown: ShownCookies) -> bool:
    """Whether a browser still holds what a connection believes it to hold.

    Args:
        name: of the cookie.
        expected: of ``BrowserCookies.expect``.
        shown: the cookies of the request that redeems a ticket.
    """
    return set(shown.values(name)) <= set(expected.split())


def _digest(text: str) -> str:
    # A record shows no value that its browser had, and none of any length.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
