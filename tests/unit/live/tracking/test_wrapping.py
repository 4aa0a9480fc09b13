"""Methods are replaced where they are defined, and restored."""

import asyncio
from typing import Any

from asgiref.sync import iscoroutinefunction

from wsrequest.live.tracking.wrapping import Wrapping


class Active:
    is_active = True


class Base:
    def plain(self) -> str:
        return "base"

    def stays(self) -> str:
        return "stays"


class Middle(Base):
    def plain(self) -> str:
        return f"middle {super().plain()}"

    async def later(self) -> str:
        return "later"

    static = staticmethod(lambda: "static")


class Leaf(Middle):
    pass


def test_each_definition_is_replaced_once_and_given_back() -> None:
    seen: list[str] = []

    def around(original: Any, self: Any, args: Any, kwargs: Any) -> Any:
        seen.append(original.__qualname__)
        return original(self, *args, **kwargs)

    before = vars(Middle)["plain"]
    wrapping, made = Wrapping(), Leaf()
    for _ in range(2):
        wrapping.wrap(Leaf, "plain", around, of=Active(), below=Base)
        wrapping.wrap(Leaf, "nowhere", around, of=Active())
    assert made.plain() == "middle base" and seen == ["Middle.plain"]
    assert Leaf.plain.__name__ == "plain" and "plain" not in vars(Leaf)
    wrapping.wrap(Leaf, "plain", around, of=Active())
    made.plain()
    assert seen[1:] == ["Middle.plain", "Base.plain"]
    wrapping.undo()
    assert vars(Middle)["plain"] is before


def test_what_was_put_around_ours_stays() -> None:
    wrapping = Wrapping()
    wrapping.wrap(Leaf, "stays", lambda original, self, a, k: original(self), of=Active())
    ours, before = Base.stays, wrapping._replaced[Base, "stays"][0]
    Base.stays = lambda self: f"more than {ours(self)}"  # type: ignore[method-assign]
    try:
        wrapping.undo()
        assert Leaf().stays() == "more than stays"
    finally:
        Base.stays = before  # type: ignore[method-assign]


def test_coroutine_function_is_awaited_and_stays_one() -> None:
    async def around(original: Any, self: Any, args: Any, kwargs: Any) -> Any:
        return f"around {await original(self)}"

    wrapping = Wrapping()
    wrapping.wrap(Middle, "later", around, of=Active())
    try:
        assert iscoroutinefunction(Middle.later)
        assert asyncio.run(Leaf().later()) == "around later"
    finally:
        wrapping.undo()


def test_call_that_was_not_looked_at_is_told_late_when_somebody_came_meanwhile() -> None:
    active, told = Active(), []
    active.is_active = False

    class Store:
        def write(self, comes: bool) -> str:
            active.is_active = comes
            return "written"

        async def awrite(self, comes: bool) -> str:
            return self.write(comes)

    wrapping = Wrapping()
    for name in ("write", "awrite"):
        wrapping.wrap(
            Store, name, lambda *args: "around", lambda self, a, k: told.append(a), of=active
        )
    assert Store().write(False) == "written" and told == []
    assert Store().write(True) == "written" and told == [(True,)]
    assert Store().write(True) == "around"
    active.is_active = False
    assert asyncio.run(Store().awrite(True)) == "written" and told[1:] == [(True,), (True,)]
    wrapping.undo()
