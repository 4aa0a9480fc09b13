"""Context variables that cross threads."""

from contextvars import Context

# Not documented. Without it asgiref's own crossings would not work either;
# tests/unit/http/test_contexts.py holds it on the oldest and the newest asgiref.
from asgiref.sync import _restore_context

__all__ = ["adopt"]


def adopt(context: Context) -> None:
    """Set all that another context holds in the context that the calling thread is in.

    From 3.12 on asgiref ties the storage of a ``Local`` to its thread: in a context that was
    copied on one thread and is used on another, Django's language, time zone, script prefix and
    URLconf look as if nobody had set them. This makes them the calling thread's.

    Args:
        context: copied on any thread. It may be the one that the caller is in.
    """
    _restore_context(context)
