"""What was refused is told once, whoever asks in between."""

from stream.control import Fact
from stream.coverage import SECONDS, Watched
from tocsin.coverage.refusals import Refusals, Refused, Refusing


def test_what_came_while_it_was_being_written_down_is_told_the_next_time() -> None:
    counts = {"line": 2}
    refusals = Refusals(lambda: Refused(dict(counts), {"gateway": dict(counts)}))
    written = refusals.new()
    counts["line"] = 5
    assert refusals.new() == Refused({"line": 5}, {"gateway": {"line": 5}}), "somebody else asks"
    refusals.told(written)
    assert refusals.new() == Refused({"line": 3}, {"gateway": {"line": 3}})
    refusals.told(refusals.new())
    assert refusals.new() == Refused({}, {})


def test_it_is_said_each_five_minutes_and_at_the_end_and_only_where_there_is_something() -> None:
    counts: dict[str, int] = {}
    now, ends, said = [1000.0], [False], list[Fact]()
    refusing = Refusing(lambda: Refused(dict(counts), {}), said.append, "one", lambda: now[0], lambda _: ends[0])
    now[0] += SECONDS
    refusing.turn()
    assert said == []
    counts["line"] = 1
    now[0] += 10
    refusing.turn()
    assert said == []
    now[0] += SECONDS
    refusing.turn()
    assert said == [Watched(1000.0 + SECONDS, 1010.0 + 2 * SECONDS, {}, (), {"line": 1}, "one")]
    counts["line"] = 4
    now[0] += 10
    ends[0] = True
    refusing.turn()
    assert isinstance(last := said[-1], Watched)
    assert last.refused == {"line": 3}
