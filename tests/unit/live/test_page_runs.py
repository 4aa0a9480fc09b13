"""Pages that wait for their sockets: what makes one useless, how many wait, and for how long."""

import pytest

from tests.unit.live.fakes import World, ok, read
from wsrequest.live import page_runs as module
from wsrequest.live.commit_log import _MAX_RENEWED
from wsrequest.live.page_runs import KEPT_SECONDS, PageRun, PageRuns


def runs_of(world: World) -> PageRuns:
    return PageRuns(world.clock, world.manager)  # type: ignore[arg-type]


def served(
    pages: PageRuns, proof: str = "p", *, holder: str = "me", body: bytes = b"one", table: str = "a"
) -> PageRun:
    page = pages.begin()
    finish(pages, page, proof, holder=holder, body=body, table=table)
    return page


def finish(
    pages: PageRuns, page: PageRun, proof: str = "p", *, holder: str = "me", body: bytes = b"one",
    table: str = "a",
) -> None:  # fmt: skip
    page.predicates, page.result = frozenset([read(table)]), ok(body)
    page.proof, page.holder = proof, holder
    pages.keep(page)


def is_empty(world: World, pages: PageRuns) -> bool:
    is_counted = pages._holders or pages._held_bytes or pages._bytes
    return not len(pages) and not is_counted and not world.manager._log.is_needed


def test_page_is_taken_once_and_its_subscriber_sees_what_follows() -> None:
    world = World()
    pages = runs_of(world)
    page = served(pages)
    world.commit("b")
    assert pages.take("p") is page and pages.take("p") is None
    me = world.subscriber()
    assert page.result is not None
    world.manager.join(me, page.run, page.result, page.predicates)
    assert me.body == b"one" and not world.jobs
    world.commit("a")
    world.end(result=ok(b"two"))
    assert me.body == b"two"
    world.manager.leave(me)
    world.clock.advance(KEPT_SECONDS)
    assert is_empty(world, pages) and world.is_empty()


def test_commit_after_it_was_taken_makes_it_run_again() -> None:
    world = World()
    pages = runs_of(world)
    page = served(pages)
    assert pages.take("p") is page and page.result is not None
    world.commit("a")
    world.manager.join(world.subscriber(), page.run, page.result, page.predicates)
    assert len(world.jobs) == 1


@pytest.mark.parametrize("when", ["while it ran", "before it was taken"])
def test_page_that_a_commit_concerns_is_not_taken(when: str) -> None:
    world = World()
    pages = runs_of(world)
    page = pages.begin()
    if when == "while it ran":
        # Its own writes count, too: it was served with the state before them.
        world.commit("a", run=page.reads.run)
    finish(pages, page)
    if when == "before it was taken":
        world.commit("b")
        world.commit("a")
    assert pages.take("p") is None
    assert is_empty(world, pages)


@pytest.mark.parametrize("is_cut_off", [True, False])
def test_page_is_not_taken_if_commits_may_be_missed(is_cut_off: bool) -> None:
    world = World()
    pages = runs_of(world)
    served(pages)
    if is_cut_off:
        world.manager.connected(False)
    else:
        world.manager.lost()
    assert pages.take("p") is None
    assert is_empty(world, pages)


def test_page_is_not_compared_with_very_many_commits() -> None:
    world = World()
    pages = runs_of(world)
    served(pages)
    for _ in range(_MAX_RENEWED + 1):
        world.commit("b")
    assert pages.take("p") is None
    assert is_empty(world, pages)


def test_page_waits_for_some_seconds() -> None:
    world = World()
    pages = runs_of(world)
    served(pages, "p")
    world.clock.advance(KEPT_SECONDS / 2)
    served(pages, "q")
    world.clock.advance(KEPT_SECONDS / 2)
    assert len(pages) == 1 and pages.take("p") is None
    world.clock.advance(KEPT_SECONDS / 2)
    assert is_empty(world, pages) and not world.clock.waiting


def test_page_that_cannot_be_used_does_not_wait() -> None:
    world = World()
    pages = runs_of(world)
    pages.keep(pages.begin())
    served(pages, "q", body=b"x" * module._MAX_PAGE_BYTES)
    assert is_empty(world, pages)
    served(pages)
    pages.stop()
    assert is_empty(world, pages) and not world.clock.waiting


def test_page_that_is_loaded_again_replaces_the_other() -> None:
    """Within one second, both have the same proof."""
    world = World()
    pages = runs_of(world)
    served(pages)
    second = served(pages)
    assert len(pages) == 1 and pages.take("p") is second
    pages.abandon(second)
    assert is_empty(world, pages)


def test_who_has_many_pages_loses_the_oldest_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PAGES", 10)
    world = World()
    pages = runs_of(world)
    served(pages, "other", holder="other")
    for number in range(30):
        served(pages, str(number))
    assert len(pages) == 10
    assert pages.take("20") is None and pages.take("21") is not None
    assert pages.take("other") is not None


def test_memory_of_all_pages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 100_000)
    world = World()
    pages = runs_of(world)
    served(pages, "other", holder="other")
    for number in range(30):
        served(pages, str(number), body=b"x" * 10_000)
        assert pages._bytes <= 100_000
    assert 5 < len(pages) < 10 and pages.take("other") is not None


def test_old_page_is_rechecked_in_time() -> None:
    """Its age counts, because another process without a bus may have written since."""
    world = World(recheck_seconds=60.0)
    pages = runs_of(world)
    page = served(pages)
    world.clock.advance(9.0)
    assert pages.take("p") is page and page.result is not None
    world.manager.join(world.subscriber(), page.run, page.result, page.predicates)
    world.clock.advance(50.0)
    assert not world.jobs
    world.clock.advance(1.0)
    assert len(world.jobs) == 1
