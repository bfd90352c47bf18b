"""A finding is let through once, or again when it has more consequence."""

from detectors.base import Entity, Spec
from detectors.engine.emitted import LIMIT, first_time, held, memory
from detectors.engine.live import Live
from stream.finding import Finding, Mode
from tests.detectors.streams import DAY, HOUR, START


def someone() -> Live:
    return Live("x", 1, Entity("source", "1:x", {"source_ip": "x"}), [None])


def finding(number: int, mode: Mode = "live") -> Finding:
    return Finding(
        id=f"{number:016x}{0:016x}",
        detector="d",
        version="1",
        class_="brute",
        entity={"source_ip": "x"},
        severity="high",
        mode=mode,
        title="t",
        start=START,
        end=START + 60,
        time=START,
    )


def test_the_same_id_is_told_once_while_its_cell_is_held() -> None:
    live = someone()
    assert first_time(live, finding(1), START, 3600)
    assert not first_time(live, finding(1), START + 3500, 3600)
    assert first_time(live, finding(2), START, 3600)
    assert first_time(live, finding(1), START + 2 * HOUR, 3600)


def test_what_was_only_observed_is_told_again_when_it_counts() -> None:
    live = someone()
    assert first_time(live, finding(1, "observe"), START, 3600)
    assert not first_time(live, finding(1, "shadow"), START, 3600)
    assert first_time(live, finding(1, "live"), START, 3600)
    assert not first_time(live, finding(1, "observe"), START, 3600)


def test_memory_is_bounded() -> None:
    live = someone()
    for number in range(LIMIT + 50):
        assert first_time(live, finding(number), START + number * 60, 3600)
    assert len(live.emitted) == LIMIT
    assert not first_time(live, finding(LIMIT + 49), START + (LIMIT + 49) * 60, 3600)


def test_ids_are_remembered_for_the_longest_cell_and_as_long_as_it_is_held() -> None:
    assert (held(60), held(300), held(3600), held(86_400)) == (3 * HOUR, 26 * HOUR, 26 * HOUR, 8 * DAY)
    assert memory(Spec("d", "1", ("source",), (60, 3600), ("brute",))) == HOUR + 26 * HOUR
    assert memory(Spec("d", "1", ("source",), (), ("brute",))) == 9 * DAY
