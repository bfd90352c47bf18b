"""A learned value that takes effect at a moment fixed beforehand, so that every order of arrival sees the same one."""

from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

AHEAD: Final = 600.0
"""Seconds after the end of a cell from which on what was learned in it counts.

A cell is settled two minutes and a little after its end, when events of up to a minute ahead of the clock may have been
folded already; ten minutes leave room for a settling that is spread over several frames.
"""


class Frozen(Generic[T]):
    """A value learned in `settle`, the moment from which it counts, and the value before it.

    Values must be what msgpack writes (numbers, text, lists of such); None means that nothing was learned yet.
    """

    __slots__ = ("current", "previous", "since")

    def __init__(self, current: T | None = None, since: float = 0.0, previous: T | None = None) -> None:
        self.current = current
        self.since = since
        self.previous = previous

    def at(self, time: float) -> T | None:
        """The value that counts at an event time."""
        return self.current if time >= self.since else self.previous

    def learn(self, value: T | None, end: float, ahead: float = AHEAD) -> None:
        """Let a value learned from a cell count from some time after its end; a cell settled out of turn is ignored.

        `end` is the cell's, in seconds since the epoch; `ahead` may be less than ten minutes for cells of a minute.
        """
        since = end + ahead
        if since <= self.since or value == self.current:
            return
        self.previous = self.current
        self.current = value
        self.since = since

    def pack(self) -> Any:
        """Nothing where nothing was learned, else value, moment and the value before."""
        if self.current is None and self.previous is None:
            return None
        return [self.current, self.since, self.previous]

    @classmethod
    def unpack(cls, packed: Any) -> "Frozen[T]":
        """The part that `pack` wrote."""
        return cls() if packed is None else cls(packed[0], packed[1], packed[2])
