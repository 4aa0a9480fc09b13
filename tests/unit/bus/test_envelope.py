"""Signatures of messages, while keys are rotated."""

import pytest

from wsrequest.bus.envelope import MAX_KEYS, Envelope, OtherRelease, Seal, Stranger

MESSAGE = Envelope(b"12345678", 7, 1000, "changes", b"payload")


@pytest.mark.parametrize(
    ("by", "read_by"),
    [
        (["new", "old"], ["old"]),  # processes that were not restarted yet
        (["new", "old"], ["new"]),
        (["old"], ["new", "old"]),
        (["new"], ["new", "old"]),
    ],
)
def test_keys_can_be_rotated_while_processes_run(by: list[str], read_by: list[str]) -> None:
    sealed = Seal([key.encode() for key in by]).close(MESSAGE)
    assert Seal([key.encode() for key in read_by]).open(sealed) == MESSAGE


def test_message_of_other_keys_is_a_stranger_s() -> None:
    with pytest.raises(Stranger):
        Seal([b"a", b"b"]).open(Seal([b"c", b"d"]).close(MESSAGE))


@pytest.mark.parametrize(
    "sealed", [b"", b"\x01", b"\x01\x00body", b"\x01\xff" + bytes(64), bytes(9)]
)
def test_other_bytes_are_a_stranger_s(sealed: bytes) -> None:
    with pytest.raises(Stranger):
        Seal([b"a"]).open(sealed)


def test_every_changed_bit_is_noticed() -> None:
    seal = Seal([b"a"])
    sealed = seal.close(MESSAGE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Stranger):
            seal.open(bytes(changed))


def test_other_release_is_told_from_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal([b"a"])
    monkeypatch.setattr("wsrequest.bus.envelope._VERSION", b"\x02")
    sealed = seal.close(MESSAGE)
    monkeypatch.undo()
    with pytest.raises(OtherRelease):
        seal.open(sealed)


def test_overhead_is_not_above_what_is_said() -> None:
    for count in (1, 2, MAX_KEYS, MAX_KEYS + 5):
        seal = Seal([bytes([n]) for n in range(count)])
        large = Envelope(bytes(8), 2**62, 2**62, "a" * 20, bytes(2**17))
        assert len(seal.close(large)) <= 2**17 + 20 + seal.overhead_bytes
