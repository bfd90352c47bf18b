"""What was refused since that was last written down, by reason and by who sent it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from stream.control import Fact
from stream.coverage import SECONDS, Watched

WAIT: Final = 1.0
"""Seconds between two looks."""


class Refused(NamedTuple):
    """Lines and requests that were not accepted: by reason, and the same by the collector key or input."""

    reasons: dict[str, int]
    sources: dict[str, dict[str, int]]


class Refusals:
    """Tells what is new in counts that only grow; `read` gives them as they are."""

    def __init__(self, read: Callable[[], Refused]) -> None:
        self._read = read
        self._known = Refused({}, {})

    def new(self) -> Refused:
        """What came beyond what was `told`; from any thread."""
        now, known = self._read(), self._known
        sources = {
            name: more
            for name, counts in sorted(now.sources.items())
            if (more := _more(counts, known.sources.get(name, {})))
        }
        return Refused(_more(now.reasons, known.reasons), sources)

    def told(self, new: Refused) -> None:
        """So much is written down now."""
        known = self._known
        names = known.sources.keys() | new.sources.keys()
        sources = {name: _sum(known.sources.get(name, {}), new.sources.get(name, {})) for name in names}
        self._known = Refused(_sum(known.reasons, new.reasons), sources)


class Refusing:
    """Writes down, each five minutes, what a process refused that detects nothing; `turn` is that of one worker.

    `clock` is the wall clock in seconds, `by` names the process, `wait` waits and says whether it ends.
    """

    def __init__(
        self,
        read: Callable[[], Refused],
        tell: Callable[[Fact], None],
        by: str,
        clock: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self._refusals = Refusals(read)
        self._tell = tell
        self._by = by
        self._clock = clock
        self._wait = wait
        self._since = clock()

    def turn(self) -> None:
        """Wait a little, and say what is due. Raises StorageError."""
        if self._wait(WAIT) or self._clock() - self._since >= SECONDS:
            self.say()

    def say(self) -> None:
        """Say what was refused since this was last said, if anything was."""
        now, new = self._clock(), self._refusals.new()
        if new.reasons and now > self._since:
            self._tell(Watched(self._since, now, {}, (), new.reasons, self._by, new.sources))
            self._refusals.told(new)
        self._since = now


def _more(counts: Mapping[str, int], known: Mapping[str, int]) -> dict[str, int]:
    found = {reason: count - known.get(reason, 0) for reason, count in sorted(counts.items())}
    return {reason: count for reason, count in found.items() if count}


def _sum(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {reason: counts.get(reason, 0) + more.get(reason, 0) for reason in counts.keys() | more.keys()}
