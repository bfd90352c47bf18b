"""The log's own silence: whoever was not heard while nobody listened did not fall silent."""

from typing import Final, NamedTuple

REGULAR: Final = 5.0
"""Seconds between two ticks at most in a log that is being written now; history has none."""
STILL: Final = 60.0
"""Seconds without any frame after which such a log stood still: nobody received anything."""

ENDED: Final = "history ended"
"""The source of ticks behind the end of replayed history: time goes on so that cells close, but nobody listens."""


class Pause(NamedTuple):
    """A stretch of the log's clock, in seconds since the epoch, in which nobody listened."""

    start: float
    end: float


class Standstill:
    """Notices that the log stood still; `since` is when it last went on, 0 if it never stood.

    An idle log gets a tick each second, so that a long stretch without a frame means that nobody listened. A log
    without regular ticks (files that are replayed) says nothing of the kind.
    """

    def __init__(self) -> None:
        self.since = 0.0
        self._regular = False
        self._last = 0.0
        self._ticked = False

    def go_on(self, clock: float, *, tick: bool) -> Pause | None:
        """The log's clock stands at the next frame; the pause that ends with it, if there was one."""
        passed, self._last = clock - self._last, max(clock, self._last)
        pause = None
        if self._regular and passed > STILL:
            pause = Pause(clock - passed, clock)
            self.since = clock
        if tick and self._ticked and passed <= REGULAR:
            self._regular = True
        self._ticked = tick
        return pause

    def pack(self) -> tuple[float, bool, float, bool]:
        """What a snapshot keeps."""
        return self.since, self._regular, self._last, self._ticked

    def unpack(self, value: tuple[float, bool, float, bool]) -> None:
        """Become what a snapshot kept."""
        self.since, self._regular, self._last, self._ticked = value
