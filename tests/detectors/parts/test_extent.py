from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.extent import IDS, Evidence, Extent
from tests.detectors.streams import START, event

times = st.lists(st.floats(0, 1_000), min_size=1, max_size=30)


def made(values: list[float]) -> Extent:
    extent = Extent()
    for index, value in enumerate(values):
        extent.add(event(value, id=f"{value}-{index}", user=f"u{index}", late=index % 5 == 4))
    return extent


@given(times, times)
def test_counts_and_times_commute(first: list[float], second: list[float]) -> None:
    one, other = made(first), made(second)
    one.update(made(second))
    other.update(made(first))
    assert (one.count, one.first, one.last, one.late) == (other.count, other.first, other.last, other.late)
    assert (one.first, one.last) == (START + min(first + second), START + max(first + second))


@given(times)
def test_samples_are_bounded_and_survive_packing(values: list[float]) -> None:
    extent = made(values)
    assert len(extent.ids) <= IDS
    assert len(extent.actors) <= 4
    assert Extent.unpack(extent.pack()).pack() == extent.pack()


def test_folding_in_nothing_changes_nothing() -> None:
    extent = made([3.0])
    before = extent.pack()
    extent.update(Extent())
    assert extent.pack() == before


def test_evidence_gathers_what_several_extents_saw() -> None:
    shown = Evidence([made([1.0, 2.0]), Extent(), made([9.0])])
    assert (shown.count, shown.first, shown.last) == (3, START + 1.0, START + 9.0)
    assert shown.actors == ("u0", "u1")
    shown.add(event(20.0, id="last"))
    assert (shown.count, shown.last, shown.ids[0]) == (4, START + 20.0, "last")


def test_long_names_are_cut() -> None:
    extent = Extent()
    extent.add(event(0, user="x" * 5_000))
    assert len(extent.actors[0]) == 160
