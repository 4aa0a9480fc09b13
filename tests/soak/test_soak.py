"""A soak of a few seconds, so that the long one cannot rot; whether memory is flat takes longer."""

from tests.acceptance.servers import Server
from tests.soak.clients import SOAK
from tests.soak.measuring import Sample, Samples
from tests.soak.soaking import MIB, Report, soak


def test_soak_of_a_few_seconds_has_no_wrong_answer(any_server: Server) -> None:
    report = soak(
        any_server, 4, clients=8, seed=1, warm_up_seconds=1, every_seconds=0.2, rest_seconds=1
    )
    assert report.errors == []
    assert {step.__name__ for step in SOAK} <= report.done.keys()
    assert report.done["connections"] > 8
    assert len(report.samples) > 5


def line(*megabytes: float) -> Samples:
    return Samples(Sample(n, round(m * MIB), 9, 25) for n, m in enumerate(megabytes))


def test_soak_sees_memory_that_grows_and_threads_that_stay() -> None:
    warming, growing = line(*[10, 90], *[100] * 20), line(*[100] * 10, *range(100, 120))
    assert abs(warming.growth_bytes()) < MIB < 10 * MIB < growing.growth_bytes()
    before, after = Sample(0, 0, 9, 25), Sample(9, 0, 10, 26)
    assert Report(before, warming, after=before).faults() == []
    found = Report(before, growing, errors=["wrong"], after=after).faults()
    assert found == ["wrong", "memory grows", "threads were left", "files were left open"]
