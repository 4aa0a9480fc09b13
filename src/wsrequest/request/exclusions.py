"""Check what a message may not reach or set: excluded paths, reserved headers, foreign referrers.

A proxy's rules for paths, such as allowed addresses or basic authentication, do not see messages.
So the project excludes such paths, and clients request them over HTTP.
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

# Headers of the handshake that fetch also sets for each request.
_REPLACEABLE = frozenset(
    "accept accept-language authorization cache-control pragma user-agent".split()
)


class ExcludedPaths(tuple[str, ...]):
    """Paths that no message reaches. Empty if all can be reached."""

    __slots__ = ()

    @classmethod
    def of(cls, paths: Iterable[str]) -> "ExcludedPaths":
        """Return the excluded paths of a setting.

        Args:
            paths: each begins with a slash. A path that ends with a slash excludes everything
                below it, and itself without the slash. Any other path excludes everything that
                begins with it.
        """
        # In the form of WSGI: the bytes of UTF-8, read as Latin-1.
        return cls(path.encode().decode("latin1") for path in paths)

    def covers(self, path_info: str) -> bool:
        """Whether a path is excluded.

        Args:
            path_info: PATH_INFO of the environ: decoded, without the script name. Django resolves
                the same text, so ``/%61dmin/`` does not get around ``/admin/``.

        Source: https://nginx.org/en/docs/http/ngx_http_core_module.html#location, whose prefixes
            are plain text. So are those of most proxies: ``/api/notes`` also guards
            ``/api/notes.json``.
        """
        slashed = path_info + "/"
        return any(path_info.startswith(path) or slashed == path for path in self)


def check_excluded(url: str, base: Base, excluded: ExcludedPaths) -> None:
    """Refuse a path that the project serves over HTTP only (PROTOCOL.md 5.2).

    Args:
        url: of the message.
        base: of its connection.
        excluded: those of WSREQUEST_EXCLUDED_PATHS.

    Raises:
        Refused: ``use_http``.
    """
    if excluded and excluded.covers(path_info_of(split_url(url)[0], base.environ["SCRIPT_NAME"])):
        raise Refused("use_http", "this path is served by HTTP only")


def check_overrides(message: Request, base: Base, proxy_headers: Container[str]) -> None:
    """Refuse headers that this server or the handshake reserves (PROTOCOL.md 4.6).

    So no message can set a header that a proxy added to the handshake. A token becomes a header
    too.

    Args:
        message: ``protocol`` has checked its headers.
        base: of its connection.
        proxy_headers: lower-case names of headers that only a trusted proxy may set.

    Raises:
        Refused: ``bad_header``.
    """
    if message.token is not None and "authorization" in proxy_headers:
        raise Refused(
            "bad_header", "a message cannot give a token: it would set the header Authorization"
        )
    for name in message.headers:
        lower = name.lower()
        if lower in proxy_headers:
            raise Refused("bad_header", f"header {name} cannot be set by a message")
        if lower in base.header_names and lower not in _REPLACEABLE:
            raise Refused(
                "bad_header", f"header {name} came with the handshake and cannot be replaced"
            )


def takes_referrer(base: Base, proxy_headers: Container[str]) -> bool:
    """Whether messages of a connection may name their referrer (PROTOCOL.md 3.1).

    Only a browser's handshake names the page that it comes from. A Referer that came with it is
    from a proxy.

    Args:
        base: of the connection.
        proxy_headers: lower-case names of headers that only a trusted proxy may set.
    """
    return (
        base.origin is not None
        and "referer" not in base.header_names
        and "referer" not in proxy_headers
    )


def check_referrer(referrer: str, base: Base, proxy_headers: Container[str]) -> None:
    """Refuse a referrer that is not a page of the handshake's own Origin (PROTOCOL.md 4.1).

    With ``fetch``, too, a page can name any page of its own origin, and none of another origin.

    Args:
        referrer: of the message. ``protocol`` has checked its shape.
        base: of its connection.
        proxy_headers: lower-case names of headers that only a trusted proxy may set.

    Raises:
        Refused: ``bad_header``.
    """
    if not takes_referrer(base, proxy_headers):
        raise Refused("bad_header", "a message of this connection cannot name its referrer")
    if not referrer.startswith(f"{base.origin}/"):
        raise Refused(
            "bad_header", f"referrer must be a URL of the handshake's own Origin, {base.origin}"
        )
