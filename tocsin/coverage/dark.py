"""Stretches in which a detector was left out since too much waited (`tocsin.learning.shedding`), by the log alone."""

from stream.control import Control, Shed

Stretch = tuple[str, float, float]
"""The detector, and from when to when on the log's clock, in seconds."""


class Dark:
    """Hears the facts of a log; it is true while there is something to write down."""

    def __init__(self) -> None:
        self._open: dict[str, float] = {}
        self._over: list[Stretch] = []

    def __bool__(self) -> bool:
        return bool(self._open or self._over)

    def hear(self, fact: Control, clock: float) -> None:
        """Take in a fact, at a moment of the log's clock."""
        if isinstance(fact, Shed):
            for name in sorted(self._open.keys() - set(fact.detectors)):
                self._over.append((name, self._open.pop(name), clock))
            for name in fact.detectors:
                self._open.setdefault(name, clock)

    def until(self, clock: float) -> tuple[Stretch, ...]:
        """What is not written down yet, as far as a moment."""
        return (*self._over, *((name, since, clock) for name, since in sorted(self._open.items()) if since < clock))

    def written(self, clock: float) -> tuple[Stretch, ...]:
        """The same; from now on it is written down."""
        found = self.until(clock)
        self._over = []
        self._open = dict.fromkeys(self._open, clock)
        return found

    def pack(self) -> tuple[dict[str, float], list[Stretch]]:
        """What a snapshot keeps."""
        return self._open, self._over

    def unpack(self, value: tuple[dict[str, float], list[Stretch]]) -> None:
        """Become what a snapshot kept."""
        self._open, self._over = value
