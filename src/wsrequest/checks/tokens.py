"""Whether the project reads the header that a message's token becomes, and says 401 without it.

The settings of REST framework's tokens and simplejwt name their scheme. Their classes are found by
name, since neither package is imported here, and a project may use neither.
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

from wsrequest.checks.table import TAG, message
from wsrequest.conf import SETTINGS, conf
from wsrequest.faults import sound

__all__ = ["check_order", "check_token_scheme"]


@register(TAG)
def check_token_scheme(**kwargs: Any) -> list[CheckMessage]:
    """The default authentication reads a token, if the project leaves the scheme to us."""
    default = SETTINGS["WSREQUEST_TOKEN_SCHEME"].default
    if not sound("TOKEN_SCHEME") or conf.TOKEN_SCHEME != default:
        return []
    read = dict(_words())
    if not read or default.lower() in (word.lower() for word in read):
        return []
    word, authentication = next(iter(read.items()))
    return [message("wsrequest.W012", scheme=default, authentication=authentication, word=word)]


@register(TAG)
def check_order(**kwargs: Any) -> list[CheckMessage]:
    """An expired token is answered with 401, so that a client fetches a new one."""
    classes = _default_classes()
    # REST framework asks the first class for a WWW-Authenticate header, and says 403 without one.
    ask = "authenticate_header"
    if not classes or getattr(classes[0], ask, None) is not _no_header_of(classes[0]):
        return []
    for token_class in classes[1:]:
        if any(_words_of(token_class)):
            names = [
                token_class.__name__,
                *(each.__name__ for each in classes if each is not token_class),
            ]
            return [
                message(
                    "wsrequest.W040",
                    first=classes[0].__name__,
                    token=token_class.__name__,
                    order=", ".join(names),
                )
            ]
    return []


def _no_header_of(token_class: type) -> Any:
    """Return ``authenticate_header`` of REST framework's base class. It gives no header."""
    for base in token_class.__mro__:
        if base.__name__ == "BaseAuthentication":
            return getattr(base, "authenticate_header", object())
    return object()


def _words() -> Iterator[tuple[str, str]]:
    """Yield each scheme that a default authentication class reads, with the name of the class."""
    for token_class in _default_classes():
        for word in _words_of(token_class):
            yield word, token_class.__name__


def _default_classes() -> list[type]:
    """Return those of DEFAULT_AUTHENTICATION_CLASSES that can be imported."""
    framework = conf.django("REST_FRAMEWORK") or {}
    classes: list[type] = []
    for named in framework.get("DEFAULT_AUTHENTICATION_CLASSES") or ():
        try:
            token_class = import_string(named) if isinstance(named, str) else named
        except Exception:  # REST framework fails on it with an error of its own
            continue
        if isinstance(token_class, type):
            classes.append(token_class)
    return classes


def _words_of(token_class: type) -> Iterator[str]:
    """Yield each scheme that an authentication class reads before a token."""
    bases = {base.__name__ for base in token_class.__mro__}
    if "TokenAuthentication" in bases:
        yield str(getattr(token_class, "keyword", "Token"))
    elif "JWTAuthentication" in bases:
        words = (conf.django("SIMPLE_JWT") or {}).get("AUTH_HEADER_TYPES", ("Bearer",))
        yield from (words,) if isinstance(words, str) else map(str, words)
