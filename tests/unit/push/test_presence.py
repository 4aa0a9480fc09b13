"""Who is in which room, over processes that end, freeze, and miss messages."""

from collections import deque

import msgspec
import pytest

from tests.unit.push.simulated import LIMITS, NOTIFY_BYTES, Process, World
from wsrequest.protocol.messages import Member
from wsrequest.push import own_members
from wsrequest.push.own_members import GRACE_SECONDS, PresenceLimits
from wsrequest.push.presence import SETTLE_SECONDS, SILENT_SECONDS
from wsrequest.push.presence_messages import PRESENCE, Message, RoomPart

SOON = 1.0
ADA, BOB = b'{"name":"Ada"}', b'{"name":"Bob"}'


def two() -> tuple[World, Process, Process]:
    world = World()
    processes = world.start(), world.start()
    for process in processes:
        process.watch("a")
    world.advance(6.0)  # each asks when it begins
    return world, *processes


def told(process: Process) -> list[tuple[list[str], list[str]]]:
    """Who joined and who left, by each frame that a process has shown."""
    frames = [msgspec.json.decode(frame) for frame in process.frames]
    return [
        ([each["id"] for each in frame.get("joined", [])], frame.get("left", []))
        for frame in frames
    ]


def test_member_is_known_to_its_own_process_at_once_and_soon_to_others() -> None:
    world, one, other = two()
    one.join("a", "7", ADA)
    assert one.presence.of("a") == [Member("7", {"name": "Ada"})]
    assert other.presence.of("a") == []
    world.advance(SOON)
    assert other.presence.of("a") == [Member("7", {"name": "Ada"})]
    assert other.presence.encoded("a") == b'[{"id":"7","info":{"name":"Ada"}}]'
    assert other.presence.encoded("b") is None
    assert one.lists == other.lists == {"a": {"7": {"name": "Ada"}}}


def test_member_leaves_with_its_last_membership_and_not_before_a_time() -> None:
    world, one, other = two()
    one.join("a", "7")
    one.join("a", "7")  # another tab
    one.leave("a", "7")
    world.advance(2 * GRACE_SECONDS)
    assert other.ids("a") == ["7"]
    one.leave("a", "7")
    world.advance(GRACE_SECONDS / 2)
    assert one.ids("a") == other.ids("a") == ["7"]
    world.advance(GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == []
    assert told(one) == told(other) == [(["7"], []), ([], ["7"])]


def test_page_that_is_loaded_again_has_not_left() -> None:
    world, one, other = two()
    one.join("a", "7")
    world.advance(SOON)
    one.leave("a", "7")
    world.advance(GRACE_SECONDS / 2)
    one.join("a", "7")
    world.advance(2 * GRACE_SECONDS)
    one.leave("a", "7")
    world.advance(GRACE_SECONDS / 2)
    other.join("a", "7")  # it is answered by another process
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == ["7"]
    assert told(one) == told(other) == [(["7"], [])]


def test_member_of_two_processes_is_there_once_and_leaves_with_the_last() -> None:
    world, one, other = two()
    one.join("a", "7")
    other.join("a", "7")
    world.advance(SOON)
    assert one.ids("a") == other.ids("a") == ["7"]
    one.leave("a", "7")
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == ["7"]
    other.leave("a", "7")
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == []


def test_newest_info_counts_everywhere_and_the_older_one_after_it_has_gone() -> None:
    world, one, other = two()
    other.join("a", "7", ADA)
    world.advance(SOON)
    one.join("a", "7", BOB)
    world.advance(SOON)
    assert one.lists == other.lists == {"a": {"7": {"name": "Bob"}}}
    one.leave("a", "7", BOB)
    world.advance(2 * GRACE_SECONDS)
    assert one.lists == other.lists == {"a": {"7": {"name": "Ada"}}}


def test_info_of_two_tabs_is_that_of_the_one_that_is_left() -> None:
    world, one, other = two()
    one.join("a", "7", ADA)
    one.join("a", "7", BOB)
    one.leave("a", "7", BOB)
    world.advance(SOON)
    assert other.presence.of("a") == one.presence.of("a") == [Member("7", {"name": "Ada"})]


def test_leave_without_a_join_changes_nothing() -> None:
    world, one, other = two()
    one.presence.leave("a", "7", ADA, world.now)
    one.join("a", "7", ADA)
    one.presence.leave("a", "7", BOB, world.now)
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == ["7"]


def test_members_of_a_killed_process_leave_within_the_stated_time() -> None:
    world, one, other = two()
    for number in range(1000):
        one.join("a", str(number))
    other.join("a", "5")
    world.advance(SOON)
    assert len(other.ids("a")) == 1000
    world.kill(one)
    world.advance(SILENT_SECONDS - 2.0)
    assert len(other.ids("a")) == 1000  # it may only be slow
    world.advance(SETTLE_SECONDS - SILENT_SECONDS + 2.0)
    assert other.ids("a") == list(other.lists["a"]) == ["5"]
    assert other.presence.dropped_count == 1


def test_members_of_a_process_that_ends_leave_unless_they_come_to_another() -> None:
    world, one, other = two()
    one.join("a", "7")
    one.join("a", "8")
    world.advance(SOON)
    world.end(one)
    other.join("a", "8")
    world.advance(GRACE_SECONDS + SOON)
    assert other.ids("a") == ["8"]
    assert told(other)[1:] == [([], ["7"])]


def test_frozen_process_has_no_members_until_it_goes_on() -> None:
    world, one, other = two()
    one.join("a", "7")
    other.join("a", "8")
    world.advance(SOON)
    one.is_frozen = True
    world.advance(SETTLE_SECONDS)
    assert other.ids("a") == ["8"]
    world.advance(60.0)
    one.is_frozen = False
    world.advance(SOON)
    assert one.ids("a") == other.ids("a") == ["7", "8"]
    assert one.presence.dropped_count == 0  # it was frozen, and not the other


def test_frozen_process_learns_who_left_in_the_meantime() -> None:
    world, one, other = two()
    gone = world.start()
    gone.join("a", "9")
    other.join("a", "8")
    world.advance(SOON)
    one.is_frozen = True
    world.advance(SOON)
    one.inbox.clear()  # and the broker drops what it did not read
    other.leave("a", "8")
    world.kill(gone)
    world.advance(20.0)
    one.is_frozen = False
    world.advance(SETTLE_SECONDS)
    assert one.ids("a") == other.ids("a") == []


def test_process_that_was_frozen_reads_what_waits_before_it_judges_others() -> None:
    world, one, other = two()
    other.join("a", "8")
    world.advance(SOON)
    one.is_frozen = True
    world.advance(20.0)
    waiting, one.inbox = one.inbox, deque()
    world.cut(one)  # the thread that reads has its turn later
    one.is_frozen = False
    world.advance(SOON)
    one.cut_at, one.inbox = None, waiting
    world.advance(SETTLE_SECONDS)
    assert told(one) == [(["8"], [])]


def test_process_that_was_cut_off_is_back_at_once() -> None:
    world, one, other = two()
    one.join("a", "7")
    world.advance(SOON)
    world.cut(one)
    world.advance(20.0)
    assert other.ids("a") == []
    world.end_faults()
    world.advance(0.8)
    assert other.ids("a") == ["7"]


def lose(world: World, seconds: float = 0.3) -> None:
    world.loss = 1.0
    world.advance(seconds)
    world.loss = 0.0


def test_lost_join_and_lost_leave_are_repaired() -> None:
    world, one, other = two()
    one.join("a", "1")
    one.join("a", "2")
    world.advance(SOON)
    one.leave("a", "2")
    world.advance(GRACE_SECONDS - 0.2)
    one.join("a", "3")
    before = world.sent["ask"]
    lose(world)
    assert other.ids("a") == ["1", "2"]
    world.advance(2 * SOON)
    assert other.ids("a") == list(other.lists["a"]) == ["1", "3"]
    assert world.sent["ask"] == before + 1


def test_loss_is_noticed_by_the_next_change_too() -> None:
    world, one, other = two()
    one.join("a", "1")
    lose(world)
    one.join("a", "2")
    world.advance(0.6)  # less than until the next sign of life
    assert other.ids("a") == ["1", "2"]


@pytest.mark.parametrize("part", range(7))
def test_lost_part_of_a_whole_state_is_asked_for_again(part: int) -> None:
    world, one, other = two()
    for number in range(1000):
        one.join("a", str(number), ADA)
    lose(world)
    parts = iter(range(1000))
    world.is_dropped = lambda message: message.is_numbered and next(parts) == part
    world.advance(SETTLE_SECONDS)
    assert next(parts) > 7
    assert len(other.ids("a")) == 1000
    assert other.presence.asked_count == 2


def test_changes_while_a_whole_state_arrives_are_not_lost() -> None:
    world, one, other = two()
    for number in range(2000):
        one.join(f"r{number % 40}", str(number), ADA)
    world.advance(SOON)
    for number in range(0, 2000, 2):
        one.leave(f"r{number % 40}", str(number), ADA)
    world.advance(1.0)
    late = world.start()
    for step in range(40):  # they leave while it gets the whole state
        world.advance(0.05)
        one.join(f"r{step}", "new")
    world.advance(SETTLE_SECONDS)
    for room in range(40):
        expected = {str(number) for number in range(2000) if number % 2 and number % 40 == room}
        assert set(late.ids(f"r{room}")) == set(other.ids(f"r{room}")) == expected | {"new"}


def test_process_that_starts_later_knows_all() -> None:
    world, one, other = two()
    one.join("a", "7")
    other.join("b", "8", ADA)
    world.advance(20.0)
    late = world.start()
    world.advance(SOON)
    assert (late.ids("a"), late.ids("b")) == (["7"], ["8"])


def test_many_processes_that_miss_the_same_ask_once() -> None:
    world = World()
    processes = [world.start() for _ in range(20)]
    world.advance(6.0)
    processes[0].join("a", "7")
    lose(world)
    before = world.sent["ask"]
    world.advance(SETTLE_SECONDS)
    assert all(process.ids("a") == ["7"] for process in processes)
    assert world.sent["ask"] - before < 10


def test_nobody_leaves_while_the_bus_is_down_and_all_is_right_after_it() -> None:
    world, one, other = two()
    one.join("a", "7")
    other.join("a", "8")
    world.advance(SOON)
    for process in (one, other):
        world.cut(process)
    world.advance(30.0)
    assert one.ids("a") == other.ids("a") == ["7", "8"]
    one.join("a", "9")
    other.leave("a", "8")
    world.advance(30.0)
    world.end_faults()
    world.advance(SOON)
    assert one.ids("a") == other.ids("a") == list(one.lists["a"]) == ["7", "9"]
    assert len(told(other)) == 4


def test_little_waits_while_the_bus_is_down() -> None:
    world, one, other = two()
    world.advance(SOON)
    world.cut(one)
    world.advance(4.0)
    waiting = len(one.outbox)
    for number in range(1000):
        one.join("a", str(number))
        world.advance(0.1)
        one.leave("a", str(number))
    assert len(one.outbox) == waiting
    world.end_faults()
    world.advance(SETTLE_SECONDS)
    assert one.ids("a") == other.ids("a") == []


def test_visits_while_the_bus_is_down_take_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_members, "_MAX_GONE", 200)
    world, one, other = two()
    for number in range(300):
        one.join("a", str(number))
    world.advance(SOON)
    world.cut(one)
    world.advance(4.0)
    for number in range(2_000):
        one.join("b", str(number))
        one.leave("b", str(number))
        if number % 10 == 0:
            world.advance(0.05)
            assert len(one.presence._own.unsaid) <= one.presence.own_count + 200 + 20
    one.leave("a", "7")
    world.advance(2 * GRACE_SECONDS)
    assert 0 < len(one.presence._own.unsaid) <= 300 + 200
    one.join("a", "new")
    world.end_faults()
    world.advance(SETTLE_SECONDS)
    expected = {str(number) for number in range(300) if number != 7} | {"new"}
    assert set(other.ids("a")) == set(one.ids("a")) == set(other.lists["a"]) == expected
    assert other.ids("b") == []


def test_what_was_dropped_while_the_bus_was_down_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_members, "_MAX_GONE", 0)
    world, one, other = two()
    for number in range(3):
        one.join("a", str(number))
    world.advance(SOON)
    for process in (one, other):  # so that nobody's silence counts
        world.cut(process)
    world.advance(4.0)
    for number in range(3):
        one.leave("a", str(number))
    one.join("a", "new")
    world.advance(2 * GRACE_SECONDS)
    assert not one.presence._own.unsaid
    assert other.ids("a") == ["0", "1", "2"]
    world.end_faults()
    world.advance(SETTLE_SECONDS)
    assert one.ids("a") == other.ids("a") == list(other.lists["a"]) == ["new"]


def test_process_that_was_killed_while_the_bus_was_down_is_noticed_after_it() -> None:
    world, one, other = two()
    one.join("a", "7")
    world.advance(SOON)
    world.cut(other)
    world.advance(10.0)
    world.kill(one)
    world.end_faults()
    world.advance(SETTLE_SECONDS)
    assert other.ids("a") == []


def test_idle_processes_say_nothing() -> None:
    world, one, other = two()
    world.advance(SOON)
    one.join("a", "7")
    world.advance(SOON)
    one.leave("a", "7")
    world.advance(20.0)
    before = world.sent.total()
    world.advance(60.0)
    assert world.sent.total() == before
    assert one.presence.due is None
    assert other.presence.due is None


def test_messages_are_small_enough_for_every_broker() -> None:
    world, one, other = two()
    longest = "ж" * 255, "я" * 128, b'"%b"' % (b"x" * 1022)
    for number in range(20):
        one.join(f"{number:02}" + longest[0][2:], longest[1], longest[2])
    for number in range(300):
        one.join("a", str(number), ADA)
    world.advance(SOON)  # World.sent asserts it
    late = world.start()
    world.advance(SOON)
    assert len(late.ids("a")) == len(other.ids("a")) == 300
    assert late.ids("19" + longest[0][2:]) == [longest[1]]
    assert world.sent["state"]
    assert NOTIFY_BYTES < 5_997 - 80 - 8 * 16 - len(PRESENCE.name)


def test_info_that_is_too_much_for_all_keeps_nobody_with_few_rooms_out() -> None:
    world = World()
    limits = PresenceLimits(total_bytes=20_000, room_members=1_000)
    one, other = world.start(limits), world.start(limits)
    big = b'"%b"' % (b"x" * 1000)
    for number in range(200):  # one connection with many rooms
        one.join(f"greedy{number}", "7", big, memberships=number)
    for number in range(50):
        one.join("a", str(number), ADA, memberships=0)
    world.advance(SOON)
    assert len(other.ids("a")) == 50
    assert sum(bool(other.ids(f"greedy{number}")) for number in range(200)) < 20
    assert one.presence.refused_count == 200 - 15
    for number in range(200):
        one.leave(f"greedy{number}", "7", big)
    world.advance(2 * GRACE_SECONDS)
    assert one.presence.own_count == 50


def test_room_that_is_full_takes_another_when_somebody_leaves() -> None:
    world = World()
    limits = PresenceLimits(total_bytes=2**20, room_members=3)
    one, other = world.start(limits), world.start(limits)
    for number in range(5):
        one.join("a", str(number), memberships=10 + number)
    one.join("b", "9")
    world.advance(SOON)
    assert one.ids("a") == other.ids("a") == ["0", "1", "2"]
    one.leave("a", "3")  # who was not announced
    one.leave("a", "1")
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == other.ids("a") == ["0", "2", "4"]
    assert other.ids("b") == ["9"]


def test_connection_with_many_members_keeps_nobody_out_of_a_room() -> None:
    world = World()
    limits = PresenceLimits(total_bytes=2**20, room_members=30)
    one, other = world.start(limits), world.start(limits)
    for number in range(100):
        one.join("a", f"greedy{number}", memberships=number)
    for number in range(20):
        one.join("a", str(number))
    world.advance(SOON)
    assert len(other.ids("a")) == 50
    for number in range(100):
        one.join("a", f"crowd{number}")
    world.advance(SOON)
    assert len(other.ids("a")) == 60


def test_member_that_was_refused_comes_before_one_that_joins_later() -> None:
    world = World()
    limits = PresenceLimits(total_bytes=2**20, room_members=10)
    one, other = world.start(limits), world.start(limits)
    for number in range(100):
        one.join("a", f"greedy{number}", memberships=number)
    for number in range(21):
        one.join("a", str(number))
    assert one.presence.own_count == 20
    refused = [str(number) for number in range(21) if str(number) not in one.ids("a")]
    for number in range(4):
        one.leave("a", str(number))  # more than one share of the room stays taken
    world.advance(2 * GRACE_SECONDS)
    one.join("a", "late")
    world.advance(SOON)
    assert one.ids("a") == other.ids("a")
    assert set(refused[:4]) <= set(one.ids("a"))
    assert "late" not in one.ids("a")


def test_refused_member_counts_by_its_connection_with_the_fewest_memberships() -> None:
    world = World()
    one = world.start(PresenceLimits(total_bytes=2**20, room_members=3))
    for number in range(6):
        one.join("a", str(number))
    one.join("a", "7", memberships=10)
    one.join("a", "7")
    one.join("a", "7", memberships=10)
    assert one.presence.refused_count == 1
    one.leave("a", "0")
    world.advance(2 * GRACE_SECONDS)
    assert "7" in one.ids("a")


def test_large_info_that_still_has_no_room_holds_no_other_member_up() -> None:
    world = World()
    one = world.start(PresenceLimits(total_bytes=5_000, room_members=1_000))
    for number in range(9):
        one.join("a", f"big{number}", b'"%b"' % (b"x" * 1000), memberships=10 * (number > 3))
    for number in range(20):
        one.join("a", str(number), memberships=10)
    assert one.presence.own_count == 4
    one.leave("a", "big0", b'"%b"' % (b"x" * 1000))
    world.advance(2 * GRACE_SECONDS)
    assert one.ids("a") == ["0", "1", "2", "big1", "big2", "big3"]


def test_process_cannot_make_another_hold_more_than_its_limit() -> None:
    world = World()
    small = PresenceLimits(total_bytes=1_000, room_members=1_000)
    one, other = world.start(LIMITS), world.start(small)
    for number in range(1_000):
        one.join("a", str(number), ADA)
    world.advance(2 * SETTLE_SECONDS)
    assert len(one.ids("a")) == 1_000
    assert 0 < len(other.ids("a")) < 1_000
    assert other.presence.refused_count


@pytest.mark.parametrize(
    "encoded", [b"", b"\x90", b"\xc1", b"\x92\x01", msgspec.msgpack.encode(["x", 1, 5])]
)
def test_message_of_another_release_is_ignored_and_is_no_loss(encoded: bytes) -> None:
    world, one, _ = two()
    one.presence.receive(PRESENCE.decode(encoded), world.now)
    assert one.presence.due is None


def test_message_in_another_format_is_ignored() -> None:
    world, one, _ = two()
    other = PRESENCE.encode(Message("x", 1, [RoomPart("a", [("7", 0, b"{}")], [])], format=2))
    one.presence.receive(PRESENCE.decode(other), world.now)
    assert one.ids("a") == []
    same = PRESENCE.encode(Message("x", 1, [RoomPart("a", [("7", 0, b"{}")], [])]))
    one.presence.receive(PRESENCE.decode(same), world.now)
    assert one.ids("a") == ["7"]


def test_repeated_messages_change_nothing() -> None:
    world, one, other = two()
    one.join("a", "7")
    one.presence.tick(world.now)
    recorded = [PRESENCE.encode(each) for each in one.outbox]
    world.advance(SOON)
    one.leave("a", "7")
    world.advance(2 * GRACE_SECONDS)
    for each in recorded:
        other.presence.receive(PRESENCE.decode(each), world.now)
    world.advance(SOON)
    assert other.ids("a") == []


def test_changes_of_many_members_come_in_frames_of_bounded_size() -> None:
    world, one, other = two()
    info = b'{"name":"%b"}' % (b"x" * 900)
    for number in range(500):
        one.join("a", str(number), info)
    world.advance(SETTLE_SECONDS)
    assert len(other.lists["a"]) == 500
    assert max(map(len, one.frames)) < 2**16 + 2_000


def test_reader_that_serves_nothing_knows_when_it_has_heard_all() -> None:
    world, one, _ = two()
    one.join("a", "7")
    world.advance(20.0)
    reader = world.start()
    assert not reader.presence.is_complete(world.now)
    world.advance(2.0)
    assert reader.presence.is_complete(world.now)
    assert reader.ids("a") == ["7"]


def test_reader_without_a_bus_does_not_know_all() -> None:
    world, one, _ = two()
    one.join("a", "7")
    world.advance(20.0)
    reader = world.start()
    reader.presence.connected(False, world.now)
    world.cut(reader)
    world.advance(20.0)
    assert not reader.presence.is_complete(world.now)
    world.end_faults()
    world.advance(0.1)
    assert not reader.presence.is_complete(world.now)
    world.advance(3.0)
    assert reader.presence.is_complete(world.now)
    assert reader.ids("a") == ["7"]


def test_crowd_is_sent_fewer_frames_and_learns_all() -> None:
    world, one, other = two()
    other.crowd = 5_000
    for number in range(100):
        one.join("a", str(number))
        world.advance(0.05)
    assert len(other.frames) <= 7  # one in each second
    assert len(one.frames) > 50
    world.advance(SOON)
    assert len(other.lists["a"]) == 100
