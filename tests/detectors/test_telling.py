from hypothesis import given
from hypothesis import strategies as st

from detectors.failed_auth import FailedAuth
from detectors.parts.extent import Evidence, Extent
from detectors.telling import level_of, minutes, plural, tell
from stream.finding import Finding
from tests.detectors.streams import START, event


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_a_level_is_reached_at_four_times_the_one_before(count: int, threshold: int) -> None:
    level = level_of(count, threshold)
    assert (level >= 0) == (count >= threshold)
    if 0 <= level < 12:
        assert threshold * 4**level <= count < threshold * 4 ** (level + 1)


def told(at: float, *, level: int = 0, late: bool = False) -> Finding:
    extent = Extent()
    extent.add(event(at, id="e", source_ip="192.0.2.1", user="ann", late=late))
    return tell(
        FailedAuth(),
        "brute",
        {"user": "ann"},
        tenant="acme",
        severity="high",
        at=START + at,
        window=1_800,
        level=level,
        title="t",
        observed="o",
        expected="e",
        why="w",
        shown=Evidence([extent]),
    )


def test_a_finding_says_when_its_first_event_was_beside_where_its_window_begins() -> None:
    assert (told(100).start, told(100).first) == (told(0).start, START + 100)


def test_the_id_is_that_of_the_aligned_window_and_the_level() -> None:
    assert told(10).id == told(1_790).id
    assert told(10).id != told(1_810).id
    assert told(10).id != told(10, level=1).id


def test_a_finding_starts_where_its_window_does_and_names_its_evidence() -> None:
    one = told(1_000)
    assert (one.start, one.end, one.time) == (START, START + 1_000, START + 1_000)
    assert (one.event_ids, one.count, one.runbook) == (("e",), 1, "brute")
    assert one.facts == {"source_ip": ("192.0.2.1",), "server": ("crm",)}
    assert one.techniques


def test_late_evidence_is_said_to_be_late() -> None:
    assert "1 of them arrived late" in told(0, late=True).observed


def test_numbers_are_written_for_people() -> None:
    assert plural(1, "guess", "guesses") == "1 guess"
    assert plural(1_200, "guess", "guesses") == "1,200 guesses"
    assert [minutes(60), minutes(1_800), minutes(3_600), minutes(86_400)] == [
        "1 minute",
        "30 minutes",
        "1 hour",
        "24 hours",
    ]
