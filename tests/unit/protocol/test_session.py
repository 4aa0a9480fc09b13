"""The session's table of states, its counts and its limits."""

import pytest
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Cancel, ClientMessage, Credit, Part, Ping, Pong, Request
from wsrequest.protocol.session import Session, State
from wsrequest.types import Limits

ID = "r"
UPLOADING, RUNNING = State.UPLOADING, State.RUNNING

BEGUN_BY: dict[State | None, list[ClientMessage]] = {
    None: [],
    UPLOADING: [Request("POST", "/", ID, body=b"ab", more=True)],
    RUNNING: [Request("POST", "/", ID, body=b"ab")],
}
WHOLE, BEGINNING = Request("GET", "/", ID), Request("PUT", "/", ID, body=b"", more=True)
NEXT, LAST = Part(ID, b"abc", more=True), Part(ID, b"abc")
CREDIT, CANCEL, PING, PONG = Credit(ID, 9), Cancel(ID), Ping(Raw(b"1")), Pong(Raw(b"1"))

# (state, message) -> (what receive returns or refuses with, state behind it)
TABLE = [
    (None, WHOLE, ID, RUNNING),
    (None, BEGINNING, ID, UPLOADING),
    (None, NEXT, None, None),
    (None, LAST, None, None),
    (None, CREDIT, None, None),
    (None, CANCEL, None, None),
    (None, PING, None, None),
    (None, PONG, None, None),
    (UPLOADING, WHOLE, "id_in_use", UPLOADING),
    (UPLOADING, BEGINNING, "id_in_use", UPLOADING),
    (UPLOADING, NEXT, ID, UPLOADING),
    (UPLOADING, LAST, ID, RUNNING),
    (UPLOADING, CREDIT, ID, UPLOADING),
    (UPLOADING, CANCEL, ID, None),
    (UPLOADING, PING, None, UPLOADING),
    (UPLOADING, PONG, None, UPLOADING),
    (RUNNING, WHOLE, "id_in_use", RUNNING),
    (RUNNING, BEGINNING, "id_in_use", RUNNING),
    (RUNNING, NEXT, None, RUNNING),
    (RUNNING, LAST, None, RUNNING),
    (RUNNING, CREDIT, ID, RUNNING),
    (RUNNING, CANCEL, ID, None),
    (RUNNING, PING, None, RUNNING),
    (RUNNING, PONG, None, RUNNING),
]


def session(*messages: ClientMessage, **limits: int) -> Session:
    """A session that has received ``messages``."""
    made = Session(Limits(**limits))
    for message in messages:
        made.receive(message)
    return made


def refused(subject: Session, message: ClientMessage) -> Refused:
    with pytest.raises(Refused) as caught:
        subject.receive(message)
    return caught.value


@pytest.mark.parametrize(("state", "message", "result", "after"), TABLE)
def test_session_follows_its_table(
    state: State | None, message: ClientMessage, result: str | None, after: State | None
) -> None:
    subject = session(*BEGUN_BY[state])
    if result == "id_in_use":
        error = refused(subject, message)
        assert (error.code, error.id) == ("id_in_use", ID)
    else:
        assert subject.receive(message) == result
    assert subject.state(ID) is after
    assert len(subject) == (after is not None)


def test_table_holds_every_pair() -> None:
    pairs = {(state, repr(message)) for state, message, *_ in TABLE}
    messages = {repr(message) for _, message, *_ in TABLE}
    assert pairs == {(state, message) for state in BEGUN_BY for message in messages}
    assert {type(message) for _, message, *_ in TABLE} == set(ClientMessage.__args__)


@pytest.mark.parametrize("message", [NEXT, LAST, CREDIT, CANCEL])
def test_late_frame_of_a_finished_id_does_nothing(message: ClientMessage) -> None:
    subject = session(*BEGUN_BY[UPLOADING], CANCEL)
    assert subject.receive(message) is None
    assert (len(subject), subject.body_bytes) == (0, 0)


def test_frame_for_one_request_does_not_touch_another() -> None:
    subject = session(*BEGUN_BY[UPLOADING], Request("POST", "/", 1, body=b"xyz", more=True))
    assert subject.receive(Cancel("1")) is None
    assert subject.receive(Part(1, b"w")) == 1
    assert subject.receive(CANCEL) == ID
    assert (subject.state(1), subject.state(ID), subject.body_bytes) == (RUNNING, None, 4)


def test_integer_and_string_are_two_ids() -> None:
    subject = session(Request("GET", "/", 1), Request("GET", "/", "1"))
    assert len(subject) == 2
    assert subject.finish("1")
    assert (subject.state(1), subject.state("1")) == (RUNNING, None)


def test_id_is_free_again_once_it_is_finished() -> None:
    subject = session(WHOLE)
    for _ in range(3):
        assert subject.finish(ID)
        assert subject.receive(WHOLE) == ID
        assert refused(subject, WHOLE).code == "id_in_use"
    assert len(subject) == 1


def test_requests_without_id_are_told_apart() -> None:
    subject = session()
    keys = [subject.receive(Request("GET", "/")) for _ in range(3)]
    assert len(set(keys)) == len(subject) == 3
    assert not any(isinstance(key, int | str) for key in keys)
    assert all(subject.finish(key) for key in keys)
    assert len(subject) == 0


def test_finishing_twice_is_told() -> None:
    subject = session(WHOLE)
    assert (subject.finish(ID), subject.finish(ID), subject.finish("other")) == (True, False, False)
    assert subject.body_bytes == 0


def test_unfinished_requests_are_counted() -> None:
    subject = session(in_flight=2, waiting=1)
    for id in (None, 1, "a"):
        subject.receive(Request("GET", "/", id))
    error = refused(subject, Request("GET", "/", 2))
    assert (error.code, error.id, error.temporary) == ("too_many_requests", 2, True)
    assert refused(subject, Request("GET", "/")).id is None
    # One that is in use is told so, however many there are.
    assert refused(subject, Request("GET", "/", 1)).code == "id_in_use"
    assert subject.finish(1)
    assert subject.receive(Request("GET", "/", 2)) == 2
    assert len(subject) == 3


def test_refused_request_leaves_nothing_behind() -> None:
    subject = session(in_flight=1, waiting=0, body_bytes=4)
    assert refused(subject, Request("POST", "/", 1, body=b"12345")).code == "body_too_large"
    assert (len(subject), subject.body_bytes, subject.state(1)) == (0, 0, None)
    assert subject.receive(Request("POST", "/", 1, body=b"1234")) == 1


def test_bodies_are_counted_together_and_given_back() -> None:
    subject = session(body_bytes=10)
    subject.receive(Request("POST", "/", 1, body=b"1234"))
    subject.receive(Request("POST", "/", body=b"5678"))
    assert subject.body_bytes == 8
    error = refused(subject, Request("POST", "/", 2, body=b"901"))
    assert (error.code, error.id) == ("body_too_large", 2)
    assert subject.finish(1)
    assert subject.body_bytes == 4
    assert subject.receive(Request("POST", "/", 2, body=b"901234")) == 2
    assert subject.body_bytes == 10


def test_request_without_body_fits_when_bodies_are_full() -> None:
    subject = session(Request("POST", "/", 1, body=b"1234"), body_bytes=4)
    for id, body in enumerate((None, b""), start=2):
        assert subject.receive(Request("POST", "/", id, body=body)) == id
    assert subject.body_bytes == 4


def test_part_over_the_limit_finishes_its_request() -> None:
    subject = session(Request("POST", "/", 1, body=b"12", more=True), body_bytes=5)
    subject.receive(Request("POST", "/", 2, body=b"3"))
    assert subject.receive(Part(1, b"45", more=True)) == 1
    error = refused(subject, Part(1, b"6", more=True))
    assert (error.code, error.id) == ("body_too_large", 1)
    assert (subject.state(1), subject.body_bytes) == (None, 1)
    assert subject.receive(Part(1, b"7")) is None  # late: the refusal crossed it


def test_part_may_fill_the_limit_and_be_empty() -> None:
    subject = session(Request("POST", "/", 1, body=b"12", more=True), body_bytes=4)
    assert subject.receive(Part(1, b"34", more=True)) == 1
    assert subject.receive(Part(1, b"", more=True)) == 1
    assert subject.receive(Part(1, b"")) == 1
    assert (subject.state(1), subject.body_bytes) == (RUNNING, 4)


def test_late_part_is_not_counted() -> None:
    subject = session(Request("POST", "/", 1, body=b"12"), body_bytes=4)
    assert subject.receive(Part(1, b"34567")) is None
    assert (subject.state(1), subject.body_bytes) == (RUNNING, 2)


# Live requests.


def subscribe(id: int) -> Request:
    return Request("GET", "/", id, subscribe=True)


def test_live_request_holds_its_id_until_it_is_cancelled() -> None:
    subject = session(subscribe(1), subscriptions=1)
    subject.go_live(1)
    subject.go_live(1)
    assert subject.state(1) is State.LIVE
    assert refused(subject, Request("GET", "/", 1)).code == "id_in_use"
    assert subject.receive(Credit(1, 5)) is None
    assert subject.receive(Part(1, b"")) is None
    assert subject.receive(Cancel(1)) == 1
    assert subject.receive(Cancel(1)) is None
    assert subject.receive(subscribe(1)) == 1


def test_live_requests_take_no_room_of_others() -> None:
    subject = session(subscribe(1), subscribe(2), in_flight=2, waiting=0, subscriptions=2)
    assert refused(subject, Request("GET", "/", 3)).code == "too_many_requests"
    subject.go_live(1)
    assert subject.receive(Request("GET", "/", 3)) == 3
    assert refused(subject, Request("GET", "/", 4)).code == "too_many_requests"
    assert subject.finish(1)  # gives no room back that it did not take
    assert refused(subject, Request("GET", "/", 4)).code == "too_many_requests"


def test_subscriptions_are_bounded_from_their_request_on() -> None:
    subject = session(subscribe(1), subscriptions=1)
    error = refused(subject, subscribe(2))
    assert (error.code, error.id, error.temporary) == ("too_many_subscriptions", 2, True)
    assert subject.receive(Request("GET", "/", 2)) == 2
    assert subject.finish(1)
    assert subject.receive(subscribe(3)) == 3


def test_subscribe_is_refused_where_nothing_is_live() -> None:
    assert refused(session(subscriptions=0), subscribe(1)).code == "not_supported"
