"""Notes which cookies a request reads, so that the others can change without a new identity.

``COOKIES``, ``META`` and ``headers`` of the request are replaced. A view that reads the Cookie
header itself, or iterates over all cookies, has read all of them. Django's CSRF middleware copies
the secret of its cookie to ``META``, so reading the copy counts as reading that cookie.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http.request import HttpHeaders

__all__ = ["CookieReads", "note_cookies"]

_MOST_NAMES = 100  # a view that tries more has read all
_HEADER = "HTTP_COOKIE"
_SECRET = "CSRF_COOKIE"


class CookieReads:
    """The cookies that one request has read. Any thread may add to it."""

    __slots__ = ("_counts", "_has_csrf_secret", "_is_all")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._has_csrf_secret = self._is_all = False

    def add(self, name: object) -> None:
        """Note that a cookie was looked up, whether it exists or not."""
        if isinstance(name, str):
            self._counts[name] = self._counts.get(name, 0) + 1

    def add_all(self) -> None:
        """Note that all were read."""
        self._is_all = True

    def add_csrf_secret(self) -> None:
        """Note that the middleware's copy of the CSRF cookie's secret was read."""
        self._has_csrf_secret = True

    def count(self, name: str) -> int:
        """Return how often a cookie was looked up by its name."""
        return self._counts.get(name, 0)

    def names(self, *, without: Iterable[str] = ()) -> frozenset[str] | None:
        """Return the names that were looked up, or None for all.

        Args:
            without: names that do not count.
        """
        if self._is_all or len(self._counts) > _MOST_NAMES:
            return None
        return frozenset(self._counts).difference(without)

    def counting(self, csrf_cookie: str | None, *, uses_token: bool) -> frozenset[str] | None:
        """Return the names that count for the response, or None for all.

        Args:
            csrf_cookie: the name of that cookie. The middleware looks it up in each request. That
                counts only if a token is made or the secret is read.
            uses_token: whether a token was made.
        """
        is_read = uses_token or self._has_csrf_secret
        if csrf_cookie is None or is_read or self.count(csrf_cookie) != 1:
            return self.names()
        return self.names(without=[csrf_cookie])


def note_cookies(request: WSGIRequest) -> CookieReads:
    """Note which cookies a request reads from now on.

    Args:
        request: one that no middleware has seen yet.
    """
    reads = CookieReads()
    cookies: Any = request.COOKIES
    request.COOKIES = _Cookies(cookies, reads)
    headers: Any = _Headers(request.environ)
    headers._reads = reads
    request.headers = headers
    request.environ = request.META = _Environ(request.environ, reads)
    return reads


class _Noting(dict[str, Any]):
    """A dict that notes lookups. Because it has an ``__iter__``, C code calls its methods too."""

    __slots__ = ("_reads",)

    def __init__(self, cookies: dict[str, Any], reads: CookieReads) -> None:
        super().__init__(cookies)
        self._reads = reads

    def _note(self, key: object) -> None:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._note(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().setdefault(key, default)

    def items(self) -> Any:
        self._reads.add_all()
        return super().items()

    def values(self) -> Any:
        self._reads.add_all()
        return super().values()

    def copy(self) -> dict[str, Any]:
        self._reads.add_all()
        return super().copy()

    def popitem(self) -> Any:
        self._reads.add_all()
        return super().popitem()

    def __eq__(self, other: object) -> bool:
        self._reads.add_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._reads.add_all()
        return super().__ne__(other)

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        self._reads.add_all()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._reads.add_all()
        return super().__ror__(other)

    def __repr__(self) -> str:
        self._reads.add_all()
        return super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (self.copy(),)  # a copy, or one sent elsewhere, is an ordinary dict


class _Cookies(_Noting):
    __slots__ = ()

    def _note(self, key: object) -> None:
        self._reads.add(key)

    # The number and the names of the cookies depend on all of them.

    def __iter__(self) -> Iterator[str]:
        self._reads.add_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._reads.add_all()
        return super().__reversed__()

    def __len__(self) -> int:
        self._reads.add_all()
        return super().__len__()

    def keys(self) -> Any:
        self._reads.add_all()
        return super().keys()


class _Environ(_Noting):
    __slots__ = ()

    def _note(self, key: object) -> None:
        if key == _HEADER:
            self._reads.add_all()
        elif key == _SECRET:
            self._reads.add_csrf_secret()

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # names only, since each value is looked up


class _Headers(HttpHeaders):
    """Headers that note lookups of the Cookie header, by its name or among all."""

    _reads: CookieReads

    def __getitem__(self, key: str) -> str:
        if key.replace("_", "-").lower() == "cookie":
            self._reads.add_all()
        return super().__getitem__(key)

    def __repr__(self) -> str:
        self._reads.add_all()
        return super().__repr__()
