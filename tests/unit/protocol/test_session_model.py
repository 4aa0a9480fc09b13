"""The session against a model that is a dict: any order of messages, any ids."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Cancel, ClientMessage, Credit, Part, Ping, Pong, Request
from wsrequest.protocol.session import Key, Session, State
from wsrequest.types import Id, Limits

LIMITS = Limits(in_flight=2, waiting=2, body_bytes=6)
MOST = LIMITS.in_flight + LIMITS.waiting

ids = st.sampled_from([1, 2, "1", "2", ""])  # few, so that they meet
bodies = st.binary(max_size=7)


class SessionMachine(RuleBasedStateMachine):
    """``model`` holds for each unfinished request whether its body goes on, and its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(LIMITS)
        self.model: dict[Key, tuple[bool, int]] = {}

    def receive(self, message: ClientMessage) -> Key | None | Refused:
        try:
            return self.session.receive(message)
        except Refused as refused:
            return refused

    def room(self, size: int) -> bool:
        return sum(held for _, held in self.model.values()) + size <= LIMITS.body_bytes

    @rule(id=st.none() | ids, body=st.none() | bodies, more=st.booleans())
    def request(self, id: Id | None, body: bytes | None, more: bool) -> None:
        more = more and id is not None and body is not None  # so the codec sees to it
        result = self.receive(Request("POST", "/", id, body=body, more=more))
        size = len(body or b"")
        if id is not None and id in self.model:
            code = "id_in_use"
        elif len(self.model) >= MOST:
            code = "too_many_requests"
        elif size and not self.room(size):
            code = "body_too_large"
        else:
            assert result is not None and not isinstance(result, Refused)
            assert result == id if id is not None else not isinstance(result, int | str)
            assert result not in self.model
            self.model[result] = (more, size)
            return
        assert isinstance(result, Refused)
        assert (result.code, result.id) == (code, id)

    @rule(id=ids, body=bodies, more=st.booleans())
    def part(self, id: Id, body: bytes, more: bool) -> None:
        result = self.receive(Part(id, body, more))
        is_uploading, held = self.model.get(id, (False, 0))
        if not is_uploading:
            assert result is None
        elif body and not self.room(len(body)):
            assert isinstance(result, Refused)
            assert (result.code, result.id) == ("body_too_large", id)
            del self.model[id]
        else:
            assert result == id
            self.model[id] = (more, held + len(body))

    @rule(id=ids, count=st.integers(0, 2**53 - 1))
    def credit(self, id: Id, count: int) -> None:
        assert self.receive(Credit(id, count)) == (id if id in self.model else None)

    @rule(id=ids)
    def cancel(self, id: Id) -> None:
        assert self.receive(Cancel(id)) == (id if id in self.model else None)
        self.model.pop(id, None)

    @rule(cls=st.sampled_from([Ping, Pong]))
    def ping(self, cls: type[Ping] | type[Pong]) -> None:
        assert self.receive(cls(Raw(b"1"))) is None

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        keys = [*self.model, "unknown"]
        key = keys[data.draw(st.integers(0, len(keys) - 1))]
        assert self.session.finish(key) is (key in self.model)
        assert not self.session.finish(key)
        self.model.pop(key, None)

    @invariant()
    def session_is_its_model(self) -> None:
        assert len(self.session) == len(self.model) <= MOST
        held = sum(size for _, size in self.model.values())
        assert self.session.body_bytes == held <= LIMITS.body_bytes
        for key, (is_uploading, _) in self.model.items():
            expected = State.UPLOADING if is_uploading else State.RUNNING
            assert self.session.state(key) is expected
        assert self.session.state("unknown") is None


test_session_is_its_model = SessionMachine.TestCase
test_session_is_its_model.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
