"""Closed cells come up in an order that depends on nothing but the cells and the ids."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.engine.due import Due, Unit

UNITS = st.lists(
    st.tuples(
        st.integers(1, 5).map(lambda n: n * 60),
        st.sampled_from((60, 300)),
        st.integers(0, 2),
        st.integers(0, 2**64 - 1),
    ),
    unique=True,
    max_size=40,
)


def drain(due: Due) -> list[Unit]:
    units = []
    while (unit := due.take()) is not None:
        units.append(unit)
    return units


@given(units=UNITS, chance=st.randoms())
def test_the_order_is_by_end_length_kind_and_id(units: list[tuple[int, int, int, int]], chance: object) -> None:
    due = Due()
    for end, seconds, rank, identity in units:
        due.register(end, seconds, rank, identity)
    due.close(10_000.0)
    assert due.backlog == len(units)
    assert [(u.end, u.seconds, u.rank, u.identity) for u in drain(due)] == sorted(units)


def test_a_cell_is_closed_two_minutes_after_its_end() -> None:
    due = Due()
    due.register(600, 60, 0, 1)
    due.close(719.0)
    assert due.backlog == 0
    assert due.take() is None
    due.close(720.0)
    assert due.backlog == 1
    assert due.take() == Unit(0, 1, 600, 60)


def test_cells_that_close_later_wait_behind_those_that_are_due() -> None:
    due = Due()
    due.register(60, 60, 0, 5)
    due.register(60, 60, 0, 3)
    due.close(180.0)
    assert due.take() == Unit(0, 3, 60, 60)
    due.register(120, 60, 0, 1)
    due.close(240.0)
    assert [unit.identity for unit in drain(due)] == [5, 1]
