"""What a principal used in an hour: nothing but sums, sets and maxima while the hour is open.

Distinct things are counted by linear counting (Whang, Vander-Zanden and Taylor 1990) in 512 bits an hour: the number of
set bits only grows, in any order of arrival, and adding one costs the same however many there were.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import log, log2
from struct import Struct
from typing import Any, Final

CALLS: Final = 0
BYTES: Final = 1
ROWS: Final = 2
MINUTES: Final = 3
"""Minutes in which there was anything: what long tasks of many calls do not inflate."""
RESOURCES: Final = 4
MEASURES: Final = 5
NAMES: Final = ("calls", "bytes", "rows", "active minutes", "distinct resources")

BITS: Final = 512
TOOL_BITS: Final = 62
MASKS: Final = tuple(1 << bit for bit in range(BITS))
NEVER: Final = 1 << 62
"""A gate that no amount passes."""
EVIDENCE: Final = 20
GATES: Final = 10
"""Gates of an hour: five of it, three of five minutes, and from where evidence is kept: calls, one answer's bytes."""

_GATES: Final = Struct(f"<{GATES}H")
_STEPS: Final = 1024
_SPARSE: Final = 30


class Hour:
    """One hour of one principal.

    `gates` are packed amounts (`gates_of`) from which `step` tells, and keeps evidence. `late` sums what came after the
    lateness: it counts, but is never learned. `told` findings were made, and each makes the next one's bounds four
    times as high. `unsized` calls have a capped or absent size; `client` is the smallest that spoke. `bits` are the
    resources seen, none once the hour has closed.
    """

    __slots__ = (  # noqa: RUF023  # what a closed hour still holds stands first, so that its packed form is short
        "calls",
        "size",
        "rows",
        "minutes",
        "spots",
        "unsized",
        "flagged",
        "told",
        "late",
        "tools",
        "gates",
        "client",
        "ids",
        "bits",
    )

    def __init__(self, gates: bytes = b"") -> None:
        self.calls = 0
        self.size = 0
        self.rows = 0
        self.minutes = 0
        self.spots = 0
        self.unsized = 0
        self.flagged = 0
        self.told = 0
        self.late: tuple[int, ...] = ()
        self.tools = 0
        self.gates = gates
        self.client = ""
        self.ids: tuple[str, ...] = ()
        self.bits = 0

    def add(self, calls: int, size: int, rows: int) -> None:
        """Count calls with their bytes and rows."""
        self.calls += calls
        self.size += size
        self.rows += rows
        if self.size >= NEVER or self.rows >= NEVER:
            self.size, self.rows = min(NEVER - 1, self.size), min(NEVER - 1, self.rows)

    def amounts(self) -> tuple[int, int, int, int, int]:
        """Calls, bytes, rows, active minutes and distinct resources."""
        return self.calls, self.size, self.rows, self.minutes, distinct(self.spots)

    def learnable(self) -> tuple[int, int, int, int, int]:
        """The same without what came late, and without bytes where a size is unknown."""
        if not self.late:
            return self.calls, 0 if self.unsized else self.size, self.rows, self.minutes, distinct(self.spots)
        calls, size, rows = self.late
        size = 0 if self.unsized else max(0, self.size - size)
        calls = self.calls - calls
        return calls, size, max(0, self.rows - rows), min(self.minutes, calls), min(distinct(self.spots), calls)

    def close(self) -> None:
        """The hour is over: nothing more is told apart in it."""
        self.bits = 0
        self.client = ""
        if not (self.told or self.flagged):
            self.ids = ()

    def shrink(self) -> None:
        """Late events count in the hour but tell nothing any more: what only `step` and texts need goes."""
        self.gates = b""
        self.tools = 0
        self.bits = 0
        self.ids = ()

    def pack(self) -> list[Any]:
        """The fields in order, without those at the end that hold nothing."""
        values: list[Any] = [getattr(self, name) for name in self.__slots__[:-1]]
        values.append(_packed_bits(self.bits))
        while values and not values[-1]:
            values.pop()
        return values

    @classmethod
    def unpack(cls, value: Sequence[Any]) -> "Hour":
        """An hour from its packed form; raises ValueError for more fields than there are."""
        if len(value) > len(cls.__slots__):
            raise ValueError(f"an hour has {len(cls.__slots__)} fields, not {len(value)}")
        hour = cls()
        for name, item in zip(cls.__slots__, value, strict=False):
            setattr(hour, name, tuple(item) if type(item) is list else item)
        hour.bits = _unpacked_bits(hour.bits) if len(value) == len(cls.__slots__) else 0
        return hour


def distinct(spots: int) -> int:
    """How many distinct things have set this many bits, most likely."""
    if spots < 2:
        return spots
    return round(-BITS * log(1 - min(spots, BITS - 0.5) / BITS))


def spots_of(count: float) -> int:
    """How many bits that many distinct things set, on average; more than there are when they cannot be told apart."""
    filled = BITS * (1 - (1 - 1 / BITS) ** min(count, 1e6))
    return NEVER if filled > BITS - 4 else round(filled)


def gates_of(amounts: Sequence[float]) -> bytes:
    """Gates in two bytes each, 1/1024 octave fine; what is beyond 2⁶⁰ no amount passes."""
    return _GATES.pack(*[0 if it >= 1 << 60 else round(log2(max(1.0, it)) * _STEPS) + 1 for it in amounts])


@lru_cache(maxsize=8192)
def gate_amounts(gates: bytes) -> tuple[int, ...]:
    """The amounts of packed gates."""
    return tuple([round(2 ** ((step - 1) / _STEPS)) if step else NEVER for step in _GATES.unpack(gates)])


def _packed_bits(bits: int) -> bytes:
    if bits.bit_count() > _SPARSE:
        return bits.to_bytes(BITS // 8, "little")
    places = bytearray()
    while bits:
        low = bits & -bits
        places += (low.bit_length() - 1).to_bytes(2, "little")
        bits ^= low
    return bytes(places)


def _unpacked_bits(packed: Any) -> int:
    if len(packed) == BITS // 8:
        return int.from_bytes(packed, "little")
    return sum(1 << int.from_bytes(packed[place : place + 2], "little") for place in range(0, len(packed), 2))
