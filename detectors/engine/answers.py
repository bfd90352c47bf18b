"""Answers: who was answered where in the last minutes, so that a repeat costs no step that it cannot change."""

from typing import Final

from detectors.engine.live import Live

MINUTES: Final = 4
"""Minutes of event time that are remembered at once."""
MOST: Final = 1 << 17
"""Answers of one minute that are remembered; beyond, some are stepped again, which changes nothing."""


class Answers:
    """By minute of event time, the hashes of the answers that were stepped, each with its caller where that is known.

    Forgetting one is harmless, so that none are kept. Hashes have 64 bits and a key that each process chooses, so that
    nobody can have one answer taken for another.
    """

    def __init__(self) -> None:
        self._minutes: dict[int, dict[int, Live | None]] = {}
        self._number = -1
        self._last: dict[int, Live | None] = {}

    def of(self, number: int) -> dict[int, Live | None]:
        """Those of a minute."""
        if number != self._number:
            self._number = number
            found = self._minutes.get(number)
            if found is None:
                if len(self._minutes) >= MINUTES:
                    del self._minutes[min(self._minutes)]
                found = self._minutes[number] = {}
            self._last = found
        if len(self._last) > MOST:
            self._last.clear()
        return self._last
