"""Whether the project reads the header that a message's token becomes.

Knows how REST framework's own tokens and simplejwt are told their word. Both are found by the
names of their classes: neither is imported here, and a project may have none.
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

from wsrequest.checks.table import TAG, message
from wsrequest.conf import SETTINGS, conf
from wsrequest.faults import sound

__all__ = ["check_token_scheme"]


@register(TAG)
def check_token_scheme(**kwargs: Any) -> list[CheckMessage]:
    """A token is read by the default authentication, where the project leaves the word to us."""
    default = SETTINGS["WSREQUEST_TOKEN_SCHEME"].default
    if not sound("TOKEN_SCHEME") or conf.TOKEN_SCHEME != default:
        return []
    read = dict(_words())
    if not read or default.lower() in (word.lower() for word in read):
        return []
    word, authentication = next(iter(read.items()))
    return [message("wsrequest.W012", scheme=default, authentication=authentication, word=word)]


def _words() -> Iterator[tuple[str, str]]:
    """Each word that a default authentication class reads, with the name of the class."""
    framework = conf.django("REST_FRAMEWORK") or {}
    for named in framework.get("DEFAULT_AUTHENTICATION_CLASSES") or ():
        try:
            found = import_string(named) if isinstance(named, str) else named
        except Exception:  # REST framework fails on it with an error of its own
            continue
        bases = {base.__name__ for base in getattr(found, "__mro__", ())}
        if "TokenAuthentication" in bases:
            yield str(getattr(found, "keyword", "Token")), found.__name__
        elif "JWTAuthentication" in bases:
            words = (conf.django("SIMPLE_JWT") or {}).get("AUTH_HEADER_TYPES", ("Bearer",))
            for word in (words,) if isinstance(words, str) else words:
                yield str(word), found.__name__
