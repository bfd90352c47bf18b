"""Counting what a log holds, while others ask: the same for a log in one process and for one of several partitions."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from stream.control import Control, facts_in
from stream.coverage import Covered
from stream.errors import DamagedError
from stream.frame import Record
from tocsin.coverage.fold import Fold

logger = logging.getLogger("tocsin.coverage")


class Counted(NamedTuple):
    """What a frame came to: the stretches that it closed, and what it says where it holds facts."""

    closed: Sequence[Covered]
    facts: Sequence[Control]


class Present(NamedTuple):
    """What is counted of the stretches that have not closed yet, and from when and up to when all is counted."""

    covered: Covered
    began: float
    known: float


class Counter:
    """A fold that one thread takes frames into; all else may be asked from any thread."""

    def __init__(self) -> None:
        self.fold: Final = Fold()
        self._counting = threading.Lock()

    def take(self, record: Record) -> Counted:
        """Count a frame; one that cannot be read is logged, and comes to nothing."""
        try:
            facts = list(facts_in(record.frame)) if record.frame.header.content == "control" else []
            with self._counting:
                return Counted(self.fold.take(record, facts), facts)
        except DamagedError as error:
            logger.warning("a frame cannot be counted: %s", error, extra={"offset": record.offset})
            return Counted((), ())

    def present(self) -> Present:
        """What is counted up to this moment."""
        with self._counting:
            return Present(self.fold.present(), self.fold.began, self.fold.known)

    @property
    def missing(self) -> int:
        """Running numbers that are missing now."""
        with self._counting:
            return self.fold.missing


def failed_since(failed: Mapping[str, float], since: float) -> tuple[str, ...]:
    """The detectors that failed on something at a moment or after it, given when each last did."""
    return tuple(sorted(name for name, at in failed.items() if at >= since))


def offer(watch: Callable[[str, str, Callable[[], float]], None], counter: Callable[[], Counter | None]) -> None:
    """Offer what metrics show, of whoever counts now: numbers that are missing, and how far counting is behind."""

    def missing() -> float:
        found = counter()
        return found.missing if found is not None else 0.0

    def known() -> float:
        found = counter()
        return found.fold.known if found is not None else 0.0

    watch("tocsin_coverage_missing", "Running numbers that did not come so far", missing)
    watch("tocsin_coverage_clock", "Up to when coverage was counted, since 1970", known)
