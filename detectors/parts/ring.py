"""Cells of time aligned to the epoch, held for as long as late events count, with windows that trail over them."""

from collections.abc import Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar


class Part(Protocol):
    """What a cell must be: something order-free that can be merged and packed."""

    def update(self, other: Any) -> None:
        """Fold another cell of the same time into this one."""
        ...

    def pack(self) -> Any:
        """The cell as builtins."""
        ...


C = TypeVar("C", bound=Part)


class Ring(Generic[C]):
    """Sparse cells by number (event time divided by `seconds`); only those with events exist.

    A subclass says how long a cell is, how many are held, and what a cell is. Equal whatever order events came in.
    """

    seconds: ClassVar[int] = 60
    held: ClassVar[int] = 180
    kind: ClassVar[Any]

    __slots__ = ("cells",)

    def __init__(self, cells: dict[int, C] | None = None) -> None:
        self.cells = cells if cells is not None else {}

    def cell(self, time: float) -> C:
        """The cell that an event time falls into, made if need be."""
        number = int(time) // self.seconds
        found = self.cells.get(number)
        if found is None:
            found = self.cells[number] = self.kind()
        return found

    def holds(self, time: float, clock: float) -> bool:
        """Whether an event of that time still counts at this clock."""
        return int(time) // self.seconds > int(clock) // self.seconds - self.held

    def ends(self, number: int, width: int) -> Iterator[int]:
        """The cells with events at which a trailing window of `width` cells ends that contains the given cell."""
        cells = self.cells
        if len(cells) == 1:
            if number in cells:
                yield number
            return
        if len(cells) < width:
            yield from sorted(one for one in cells if number <= one < number + width)
            return
        for one in range(number, number + width):
            if one in cells:
                yield one

    def window(self, end: int, width: int) -> list[C]:
        """The cells of the trailing window that ends with one."""
        cells = self.cells
        if len(cells) == 1:
            return [cells[end]] if end in cells else []
        if len(cells) < width:
            return [cell for number, cell in sorted(cells.items()) if end - width < number <= end]
        return [cells[number] for number in range(end - width + 1, end + 1) if number in cells]

    def update(self, other: "Ring[C]") -> list[int]:
        """Fold another ring's cells into this one; their numbers."""
        for number, cell in other.cells.items():
            mine = self.cells.get(number)
            if mine is None:
                mine = self.cells[number] = self.kind()
            mine.update(cell)
        return sorted(other.cells)

    def forget(self, clock: float) -> None:
        """Drop the cells that are no longer held."""
        oldest = int(clock) // self.seconds - self.held
        for number in [one for one in self.cells if one <= oldest]:
            del self.cells[number]

    def __bool__(self) -> bool:
        return bool(self.cells)

    def pack(self) -> Any:
        """Each cell's number, as the distance from the one before, and the cell."""
        packed: list[Any] = []
        before = 0
        for number in sorted(self.cells):
            packed += (number - before, self.cells[number].pack())
            before = number
        return packed

    @classmethod
    def unpack(cls, packed: Any) -> "Ring[C]":
        """The part that `pack` wrote."""
        made = cls()
        number = 0
        for step, cell in zip(packed[::2], packed[1::2], strict=True):
            number += step
            made.cells[number] = cls.kind.unpack(cell)
        return made
