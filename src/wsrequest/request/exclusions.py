"""What must go by HTTP, through the proxy: paths that it guards, and files that it serves.

A proxy's rules for paths (allowed addresses, basic authentication) do not see messages, and its
internal redirects do not happen to them. So the project names such paths, and answers that are
addressed to a proxy never leave.
"""

from collections.abc import Container, Iterable

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Request
from wsrequest.request.environ import Base, path_info_of, split_url

__all__ = [
    "ExcludedPaths",
    "check_excluded",
    "check_overrides",
    "check_referrer",
    "takes_referrer",
]

# Headers of the handshake that fetch, too, sets for each request anew.
_REPLACEABLE = frozenset(
    "accept accept-language authorization cache-control pragma user-agent".split()
)


class ExcludedPaths(tuple[str, ...]):
    """Paths that no message reaches. Empty: there are none."""

    __slots__ = ()

    @classmethod
    def of(cls, paths: Iterable[str]) -> "ExcludedPaths":
        """Return those of a setting.

        Args:
            paths: each begins with a slash. One that ends with a slash is excluded with all that
                is below it, and without its slash; any other with all that begins with it.
        """
        # As WSGI has a path: the bytes of UTF-8, read as Latin-1.
        return cls(path.encode().decode("latin1") for path in paths)

    def covers(self, path_info: str) -> bool:
        """Whether a path is excluded.

        Args:
            path_info: PATH_INFO of the environ: decoded, without the script name. That is what
                Django resolves, so ``/%61dmin/`` is no way around ``/admin/``.

        Source: https://nginx.org/en/docs/http/ngx_http_core_module.html#location, whose prefixes
            are plain beginnings. So are those of most proxies: ``/api/notes`` guards
            ``/api/notes.json``, too.
        """
        slashed = path_info + "/"
        return any(path_info.startswith(path) or slashed == path for path in self)


def check_excluded(url: str, base: Base, excluded: ExcludedPaths) -> None:
    """Refuse a path that the project keeps for HTTP (PROTOCOL.md 5.2).

    Args:
        url: of the message.
        base: of its connection.
        excluded: of WSREQUEST_EXCLUDED_PATHS.

    Raises:
        Refused: ``use_http``.
    """
    if excluded and excluded.covers(path_info_of(split_url(url)[0], base.environ["SCRIPT_NAME"])):
        raise Refused("use_http", "this path is served by HTTP only")


def check_overrides(message: Request, base: Base, vouching: Container[str]) -> None:
    """Refuse headers that this server, or this handshake, keeps to itself (PROTOCOL.md 4.6).

    A header that a proxy added to the handshake is thereby out of a message's reach. A token
    becomes a header too.

    Args:
        message: its headers were checked by ``protocol``.
        base: of its connection.
        vouching: names, in lower case, that only a proxy may set.

    Raises:
        Refused: ``bad_header``.
    """
    if message.token is not None and "authorization" in vouching:
        raise Refused(
            "bad_header", "a message cannot give a token: it would set the header Authorization"
        )
    for name in message.headers:
        lower = name.lower()
        if lower in vouching:
            raise Refused("bad_header", f"header {name} cannot be set by a message")
        if lower in base.header_names and lower not in _REPLACEABLE:
            raise Refused(
                "bad_header", f"header {name} came with the handshake and cannot be replaced"
            )


def takes_referrer(base: Base, vouching: Container[str]) -> bool:
    """Whether messages of a connection may name their referrer (PROTOCOL.md 3.1).

    Only a browser's handshake says whose page it is, and a Referer that came with it is a proxy's.

    Args:
        base: of the connection.
        vouching: names, in lower case, that only a proxy may set.
    """
    return (
        base.origin is not None and "referer" not in base.header_names and "referer" not in vouching
    )


def check_referrer(referrer: str, base: Base, vouching: Container[str]) -> None:
    """Refuse a referrer that is no page of the handshake's own Origin (PROTOCOL.md 4.1).

    A page can name any page of its origin to ``fetch``, too, and none of another.

    Args:
        referrer: of the message; its shape was checked by ``protocol``.
        base: of its connection.
        vouching: names, in lower case, that only a proxy may set.

    Raises:
        Refused: ``bad_header``.
    """
    if not takes_referrer(base, vouching):
        raise Refused("bad_header", "a message of this connection cannot name its referrer")
    if not referrer.startswith(f"{base.origin}/"):
        raise Refused(
            "bad_header", f"referrer must be a URL of the handshake's own Origin, {base.origin}"
        )
