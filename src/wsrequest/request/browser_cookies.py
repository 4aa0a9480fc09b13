"""Track what a connection's browser is believed to hold, so that a ticket overwrites nothing newer.

A connection starts with the cookies of its handshake. The browser then continues over HTTP and
other sockets, where it may log in or log out. A cookie that a response sets on the connection must
not undo that. So each line of a ticket comes with the values that the browser may hold if nobody
else has changed the cookie, as in compare-and-set. ``is_expected`` compares them with the request
that redeems the ticket.
"""

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

from wsrequest.request.cookies import cookie_pairs, path_matches
from wsrequest.request.set_cookie import Cookie

__all__ = ["BrowserCookies", "Issue", "ShownCookies", "is_expected"]

_MAX_NAMES = 100
"""How many cookie names are tracked. A new name replaces the one that was set first."""
_MAX_VALUES = 8
"""How many values of one cookie may be expected: those it started with, and the latest."""
_ABSENT = "-"


class Issue:
    """The facts about one ticket that later tickets need.

    Attributes:
        key: in the store.
        holder: the browser and origin that it is for.
        ends: epoch seconds.
        cookies: hashes of the keys of the cookies that it sets.
        is_stored: whether its record is in the store already.
        is_over: whether it was redeemed or has expired.
        trail: leads to the ticket that has its lines now.
    """

    __slots__ = ("cookies", "ends", "holder", "is_over", "is_stored", "key", "trail")

    def __init__(self, key: str, holder: str, ends: float, cookies: Iterable[int] = ()) -> None:
        self.key, self.holder, self.ends = key, holder, ends
        self.cookies = frozenset(cookies)
        self.is_stored = self.is_over = False
        self.trail = Trail(self)

    def take_over(self, earlier: "Issue") -> None:
        """Take over the lines of an earlier ticket."""
        self.trail = earlier.trail.join(self.trail, self)


class Trail:
    """Leads from a ticket to the one that has its lines now, after any number of take-overs.

    Holders keep a trail instead of the tickets in between. A browser that fetches none makes
    thousands of those. The trails form a disjoint-set forest, whose trees stay low because the
    lower tree always goes under the higher one.

    Args:
        issue: the ticket.
    """

    __slots__ = ("_height", "_leads_to")

    def __init__(self, issue: Issue) -> None:
        self._leads_to: Issue | Trail = issue
        self._height = 0

    @property
    def last(self) -> Issue:
        """The ticket that has the lines now."""
        target = self._leads_to
        while isinstance(target, Trail):
            target = target._leads_to
        return target

    def join(self, other: "Trail", issue: Issue) -> "Trail":
        """Merge this trail and another, and return the result. It leads to ``issue``."""
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
    """The values that a Cookie header has for some cookies, as digests.

    The header is parsed once, when a value is first needed. It may hold thousands of cookies, and a
    ticket has up to 64 lines.

    Args:
        header: of a request, or "".
        names: of all cookies that ``values`` will be called for.
    """

    __slots__ = ("_header", "_names", "_values")

    def __init__(self, header: str, names: Collection[str]) -> None:
        self._header, self._names = header, frozenset(names)
        self._values: dict[str, list[str]] | None = None

    def values(self, name: str) -> list[str]:
        """Return the values of a cookie in order, or a marker if the header does not have it."""
        if self._values is None:
            self._values = {}
            for shown, value in cookie_pairs(self._header):
                if shown in self._names:
                    self._values.setdefault(shown, []).append(_digest(value))
        return self._values.get(name, [_ABSENT])


class _Given(NamedTuple):
    """What was last done to the cookies of one name."""

    expected: str  # digests of what the browser may have held before
    values: str  # digests of what it holds after it has redeemed the ticket
    trail: Trail


class BrowserCookies:
    """The values that the browser of one connection may hold. Thread-safe.

    Args:
        header: the Cookie header of the handshake, or "".
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
            is_waiting: whether the latest of earlier tickets may still be redeemed. It may query a
                store.

        Returns:
            For each cookie, the digests of the values that the browser may hold for it to be set.
            None if any will do, because the request that redeems does not show the cookie.
        """
        by_name: dict[str, list[str]] = {}
        names: list[str | None] = []
        for cookie in cookies:
            if path_matches(self._path, cookie.path):
                has_ended = cookie.expires is not None and cookie.age <= 0
                value = _ABSENT if has_ended else _digest(cookie.value)
                names.append(cookie.name)
                by_name.setdefault(cookie.name, []).append(value)
            else:
                names.append(None)
        with self._lock:
            givens = [g for name in by_name if (g := self._given.get(_digest(name))) is not None]
        # The store is queried outside the lock, and once per ticket.
        lasts = {given.trail: given.trail.last for given in givens}
        waiting = {last: is_waiting(last) for last in set(lasts.values())}
        over = {id(given) for given in givens if not waiting[lasts[given.trail]]}
        shown = ShownCookies(self._header, by_name)
        with self._lock:
            expected = {
                name: self._give(name, values, issue, over, shown)
                for name, values in by_name.items()
            }
        return [None if name is None else expected[name] for name in names]

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
            expected = given.values  # the browser has them, unless somebody else changed them
        else:
            known = dict.fromkeys(f"{given.expected} {given.values}".split())
            expected = " ".join([*list(known)[:1], *list(known)[1:][1 - _MAX_VALUES :]])
        self._given[key] = _Given(expected, " ".join(values[-_MAX_VALUES:]), issue.trail)
        return expected


def is_expected(name: str, expected: str, shown: ShownCookies) -> bool:
    """Whether a browser still holds what a connection believes it to hold.

    Args:
        name: of the cookie.
        expected: the result of ``BrowserCookies.expect``.
        shown: the cookies of the request that redeems a ticket.
    """
    return set(shown.values(name)) <= set(expected.split())


def _digest(text: str) -> str:
    # A record reveals no value of a browser, and each digest is short.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
