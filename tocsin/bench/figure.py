"""One measured figure, with what it must reach and what it should."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A measurement: `n` is over how many, `gate` what it must reach and `goal` what it should, where there is such."""

    name: str
    value: float
    unit: str
    n: int
    gate: float | None = None
    goal: float | None = None
