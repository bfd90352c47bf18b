"""The same event counts once, and no other is taken for it."""

from hypothesis import given
from hypothesis import strategies as st

from stream.dedup import WINDOW, Duplicates, Run
from tocsin_audit.event import AuditEvent


def numbered(seq: int, run: str = "r", producer: str = "p") -> AuditEvent:
    return AuditEvent(time=0.0, server="s", producer=producer, run=run, seq=seq)


def named(name: str | None) -> AuditEvent:
    return AuditEvent(time=0.0, server="s", id=name)


def seen_before(seqs: list[int]) -> list[bool]:
    """The plain model: a set, from which falls what lies further back than the window."""
    seen: set[int] = set()
    answers = []
    for seq in seqs:
        top = max(seen, default=seq)
        answers.append(seq in seen and seq > top - WINDOW)
        seen.add(seq)
    return answers


steps = st.lists(
    st.one_of(st.just(1), st.integers(-5, 5), st.integers(-70_000, 70_000), st.integers(-66_000, -65_000)), max_size=60
)


@given(steps, st.booleans())
def test_numbers_are_told_as_a_set_of_the_window_would(moves: list[int], relative_to_top: bool) -> None:
    seqs: list[int] = []
    at = 200_000
    for move in moves:
        at = (max(seqs, default=at) if relative_to_top else at) + move
        seqs.append(at)
    duplicates = Duplicates()
    # A stretch that goes on unbroken is known beyond the window as well, so only wrong answers within it count.
    expected = seen_before(seqs)
    taken = set(duplicates.take("k", [numbered(seq) for seq in seqs], 0.0))
    for index, seq in enumerate(seqs):
        top = max(seqs[:index], default=seq)
        if seq > top - WINDOW:
            assert (index in taken) == expected[index]
        elif index in taken:
            assert seq in seqs[:index]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), max_size=60), st.integers(0, 60))
def test_finding_then_marking_is_taking(pairs: list[tuple[int, str]], cut: int) -> None:
    events = [numbered(seq, run) for seq, run in pairs]
    taking, finding = Duplicates(), Duplicates()
    for part in (events[:cut], events[cut:]):
        assert finding.find("k", part, 0.0) == taking.take("k", part, 0.0)
        finding.mark("k", part, 0.0)


def test_finding_remembers_nothing() -> None:
    duplicates = Duplicates()
    events = [numbered(1), named("a")]
    assert duplicates.find("k", events, 0.0) == []
    assert duplicates.find("k", events, 0.0) == []


def test_an_id_is_known_for_ten_minutes_and_no_longer() -> None:
    duplicates = Duplicates()
    assert duplicates.take("k", [named("a"), named("a")], 1000.0) == [1]
    assert duplicates.take("k", [named("a")], 1600.0) == [0]
    assert duplicates.take("k", [named("a")], 1600.5) == []


def test_an_event_without_id_or_number_is_always_new() -> None:
    duplicates = Duplicates()
    half = AuditEvent(time=0.0, server="s", producer="p", seq=1)
    assert duplicates.take("k", [named(None), named(None), half, half], 0.0) == []
    assert duplicates.find("k", [named(None), named(None), half, half], 0.0) == []


def test_another_key_cannot_use_up_a_producers_numbers() -> None:
    duplicates = Duplicates()
    duplicates.take("mallory", [numbered(7), named("a")], 0.0)
    assert duplicates.take("alice", [numbered(7), named("a")], 0.0) == []


def test_a_restart_is_a_new_run() -> None:
    duplicates = Duplicates()
    duplicates.take("k", [numbered(seq) for seq in range(10)], 0.0)
    assert duplicates.take("k", [numbered(seq, "second") for seq in range(10)], 0.0) == []


def test_memory_is_bounded_whatever_comes() -> None:
    duplicates = Duplicates(runs=20, sparse=4, ids=20)
    for number in range(200):
        duplicates.take("k", [numbered(seq, f"r{number}") for seq in (1, 5, 9)] + [named(f"i{number}")], 0.0)
    assert len(duplicates.dump()) < 10 * (WINDOW // 8) + 4000


def test_a_run_without_gaps_needs_no_bitmap_again_after_a_window() -> None:
    run = Run(0, 0)
    run.see(5)
    bitmaps = [run.bits is not None]
    for seq in range(6, WINDOW + 6):
        run.see(seq)
    bitmaps.append(run.bits is not None)
    assert bitmaps == [True, False]
    assert run.knows(5)
    assert not run.knows(3)


def test_a_restored_memory_answers_alike() -> None:
    duplicates, other = Duplicates(), Duplicates()
    duplicates.take("k", [numbered(1), numbered(4), numbered(5, "x"), named("a")], 50.0)
    other.restore(duplicates.dump())
    again = [numbered(seq) for seq in range(6)] + [numbered(5, "x"), named("a"), named("b")]
    assert other.find("k", again, 60.0) == duplicates.find("k", again, 60.0) == [1, 4, 6, 7]
