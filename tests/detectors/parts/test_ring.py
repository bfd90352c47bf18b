from random import Random
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.ring import Ring
from detectors.parts.targets import Targets
from tests.detectors.streams import START, event


class TargetCells(Ring[Targets]):
    kind: ClassVar[Any] = Targets


times = st.lists(st.integers(0, 3 * 3_600), max_size=60)


def made(values: list[int]) -> TargetCells:
    ring = TargetCells()
    for value in values:
        cell = ring.cell(START + value)
        cell.targets.add(value + 1)
        cell.extent.count += 1
    return ring


@given(times, st.randoms())
def test_a_ring_does_not_depend_on_order_or_on_how_it_was_merged(values: list[int], chance: Random) -> None:
    order = list(values)
    chance.shuffle(order)
    parts: list[list[int]] = [[], []]
    for value in values:
        chance.choice(parts).append(value)
    merged = made(parts[0])
    changed = merged.update(made(parts[1]))
    assert made(values).pack() == made(order).pack()
    assert {number: len(cell.targets) for number, cell in merged.cells.items()} == {
        number: len(cell.targets) for number, cell in made(values).cells.items()
    }
    assert changed == sorted({int(START + value) // 60 for value in parts[1]})


@given(times)
def test_a_ring_survives_packing(values: list[int]) -> None:
    ring = made(values)
    assert TargetCells.unpack(ring.pack()).pack() == ring.pack()


@given(times, st.integers(0, 3 * 3_600), st.integers(1, 90))
def test_windows_end_where_cells_are_and_contain_the_event(values: list[int], at: int, width: int) -> None:
    ring = made([*values, at])
    number = int(START + at) // 60
    ends = list(ring.ends(number, width))
    assert ends == sorted(one for one in ring.cells if number <= one < number + width)
    for end in ends:
        expected = [ring.cells[one] for one in sorted(ring.cells) if end - width < one <= end]
        assert ring.window(end, width) == expected


def test_what_is_no_longer_held_is_forgotten_and_counts_no_more() -> None:
    ring = made([0, 7_200])
    clock = START + 3 * 3_600
    assert not ring.holds(START, clock)
    assert ring.holds(START + 61, clock)
    ring.forget(clock)
    assert len(ring.cells) == 1


def test_targets_keep_samples() -> None:
    ring = TargetCells()
    ring.cell(START).extent.add(event(0, source_ip="192.0.2.1", user="ann", id="x"))
    (cell,) = ring.cells.values()
    assert (cell.extent.ids, cell.extent.sources, cell.extent.actors) == (("x",), ("192.0.2.1",), ("ann",))
