"""What must go by HTTP, through the proxy: paths that it guards, and files that it serves.

A proxy's rules for paths (allowed addresses, basic authentication) do not see messages, and its
internal redirects do not happen to them. So the project names such paths, and answers that are
addressed to a proxy never leave.
"""

from collections.abc import Iterable

__all__ = ["INTERNAL", "ExcludedPaths", "internal_header"]

# nginx, Apache and lighttpd (X-Sendfile), LiteSpeed, Perlbal: each tells a proxy what to send
# instead of the answer, and so names what lies behind it.
INTERNAL = frozenset(
    "x-accel-redirect x-sendfile x-sendfile2 x-lighttpd-send-file x-litespeed-location "
    "x-reproxy-url x-reproxy-file".split()
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


def internal_header(names: Iterable[str]) -> str | None:
    """Return the header by which a response asks a proxy for something else, None without.

    Args:
        names: of the headers, in any case.
    """
    return next((name for name in names if name.lower() in INTERNAL), None)
