"""Answers: who was answered where in the last minutes, so that a repeat costs no step that it cannot change."""

from typing import Final

MINUTES: Final = 4
"""Minutes of event time that are remembered at once."""
MOST: Final = 1 << 17
"""Answers of one minute that are remembered; beyond, some are stepped again, which changes nothing."""


class Answers:
    """By minute of event time, the hashes of the answers that were stepped: 60 bytes each in place of 400.

    Forgetting one is harmless, so that none are kept. Hashes have 64 bits and a key that each process chooses, so that
    nobody can have one answer taken for another.
    """

    def __init__(self) -> None:
        self._minutes: dict[int, set[int]] = {}
        self._number = -1
        self._last: set[int] = set()

    def of(self, number: int) -> set[int]:
        """Those of a minute."""
        if number != self._number:
            self._number = number
            found = self._minutes.get(number)
            if found is None:
                if len(self._minutes) >= MINUTES:
                    del self._minutes[min(self._minutes)]
                found = self._minutes[number] = set()
            self._last = found
        if len(self._last) > MOST:
            self._last.clear()
        return self._last
