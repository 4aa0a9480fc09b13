"""The path of the socket in a browser: its script name, and the cookies that reach it."""

from typing import Any

from django.core.checks import CheckMessage, register

from wsrequest.checks.table import TAG, message
from wsrequest.conf import conf
from wsrequest.faults import path_fault, sound

__all__ = ["check_cookie_paths", "check_script_name"]

# The middleware that needs a cookie of the handshake, and the setting of the cookie's path.
_COOKIES = (
    ("SessionMiddleware", "SESSION_COOKIE_PATH", "has no session"),
    ("CsrfViewMiddleware", "CSRF_COOKIE_PATH", "gets another CSRF token than the page's"),
    ("LocaleMiddleware", "LANGUAGE_COOKIE_PATH", "is in another language than the page"),
)


@register(TAG)
def check_cookie_paths(**kwargs: Any) -> list[CheckMessage]:
    """A browser sends the cookies that messages need with the handshake."""
    path = _socket_path()
    if path is None:
        return []
    middleware = " ".join(conf.django("MIDDLEWARE", ()))
    messages = []
    for needed_by, name, consequence in _COOKIES:
        cookie_path = str(conf.django(name) or "/")
        if needed_by in middleware and not _is_below(path, cookie_path):
            facts = {"name": name, "value": repr(cookie_path), "consequence": consequence}
            messages.append(
                message(
                    "wsrequest.W016", path=path, better=cookie_path.rstrip("/") + "/ws/", **facts
                )
            )
    return messages


@register(TAG)
def check_script_name(**kwargs: Any) -> list[CheckMessage]:
    """The path of the socket does not repeat the script name."""
    name = conf.script_name
    if not name or not sound("PATH") or not conf.PATH.startswith(f"{name}/"):
        return []
    shorter = conf.PATH.removeprefix(name)
    return [message("wsrequest.W027", value=repr(conf.PATH), name=repr(name), shorter=shorter)]


def _socket_path() -> str | None:
    """Return the socket's path as a browser sees it, as far as the settings define it."""
    if not sound("PATH") or path_fault(conf.PATH):
        return None
    name = conf.script_name
    return conf.PATH if conf.PATH.startswith(f"{name}/") else name + conf.PATH


def _is_below(path: str, cookie_path: str) -> bool:
    """Whether a cookie of ``cookie_path`` is sent with a request for ``path`` (RFC 6265 5.1.4)."""
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")
