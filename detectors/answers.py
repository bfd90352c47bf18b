"""Answers: who was answered where in the last minutes, so that a repeat costs no step that it cannot change."""

from typing import Any, Final

MINUTES: Final = 4
"""Minutes of event time that are remembered at once."""
MOST: Final = 1 << 17
"""Answers of one minute that are remembered; beyond, some are stepped again, which changes nothing."""


class Answers:
    """By minute of event time, the answers that were stepped. Forgetting one is harmless, so that none are kept."""

    def __init__(self) -> None:
        self._minutes: dict[int, set[Any]] = {}
        self._number = -1
        self._last: set[Any] = set()

    def of(self, number: int) -> set[Any]:
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
