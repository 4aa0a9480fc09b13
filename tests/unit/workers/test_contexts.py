"""Context variables carry over to another thread, with every asgiref."""

import threading
from contextvars import Context, ContextVar, copy_context

from asgiref.local import Local
from django.utils import translation

from wsrequest.workers.loop_callbacks import adopt

VARIABLE: ContextVar[str] = ContextVar("variable")


def on_a_thread(context: Context) -> list[object]:
    """What a thread finds that works in a context which was copied elsewhere."""
    found: list[object] = []

    def look() -> None:
        adopt(copy_context())
        found.extend([translation.get_language(), getattr(LOCAL, "name", None), VARIABLE.get()])

    thread = threading.Thread(target=context.run, args=(look,))
    thread.start()
    thread.join()
    return found


LOCAL = Local()


def test_adopt_makes_the_locals_of_a_context_the_thread_s_own() -> None:
    def work() -> Context:
        translation.activate("de")
        LOCAL.name = "mine"
        VARIABLE.set("set")
        return copy_context()

    assert on_a_thread(Context().run(work)) == ["de", "mine", "set"]


def test_adopt_leaves_the_context_it_takes_from_alone() -> None:
    def work() -> Context:
        translation.activate("de")
        return copy_context()

    theirs = Context().run(work)

    def elsewhere() -> str | None:
        adopt(theirs)
        translation.activate("fr")
        return translation.get_language()

    assert Context().run(elsewhere) == "fr"
    assert theirs.copy().run(translation.get_language) == "de"


def test_adopt_keeps_what_the_other_context_does_not_say() -> None:
    def work() -> str:
        VARIABLE.set("mine")
        adopt(Context())
        return VARIABLE.get()

    assert Context().run(work) == "mine"
