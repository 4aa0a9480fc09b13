"""The fuzz targets hold for their seeds, and see what they are there to see."""

from collections.abc import Callable, Iterator
from unittest import mock

import pytest

from tests.fuzz import targets
from tests.fuzz.seeds import SEQUENCES, join, seeds
from wsrequest.connection.dispatcher import Dispatcher
from wsrequest.protocol.session import Session


@pytest.fixture
def hub() -> Iterator[targets.Hub]:
    with targets.project():
        opened = targets.Hub()
        yield opened
        opened.close()


def test_fuzz_target_of_the_codec_holds_for_the_seeds() -> None:
    for seed in seeds():
        targets.codec(seed)


def test_fuzz_target_of_the_session_holds_for_the_seeds() -> None:
    for seed in seeds():
        targets.session(seed)


def test_fuzz_target_of_the_connection_holds_for_the_sequences(hub: targets.Hub) -> None:
    for sequence in SEQUENCES:
        hub.connection(join(*sequence))


TWICE = ('{"id":1,"url":"/"}', "", '{"id":1,"url":"/"}')


def forgets(self: Session, key: object) -> bool:
    """What finishes is not forgotten, so its id is never free again."""
    return False


def answers_twice(put: Callable[..., None]) -> Callable[..., None]:
    def task_ended(self: Dispatcher, call: object, frame: object) -> None:
        put(self, call, frame)
        self._send_queue.put(frame)  # type: ignore[arg-type]

    return task_ended


def test_fuzz_target_of_the_connection_sees_an_id_that_is_not_freed(hub: targets.Hub) -> None:
    hub.connection(join(*TWICE))
    with mock.patch.object(Session, "finish", forgets), pytest.raises(AssertionError):
        hub.connection(join(*TWICE))


def test_fuzz_target_of_the_connection_sees_an_answer_that_comes_twice(hub: targets.Hub) -> None:
    twice = answers_twice(Dispatcher.task_ended)
    with mock.patch.object(Dispatcher, "task_ended", twice), pytest.raises(AssertionError):
        hub.connection(join(*TWICE))
