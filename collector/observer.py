"""Who hears what was received, for metrics."""

from collections.abc import Sequence
from typing import Protocol

from collector.format import Reason
from collector.intake import Kept


class Observer(Protocol):
    """Hears what was received, for metrics; never decides anything."""

    def accepted(self, count: int) -> None:
        """So many events became durable."""
        ...

    def duplicates(self, count: int) -> None:
        """So many events were recognised as sent before."""
        ...

    def rejected(self, reason: str, count: int, source: str = "") -> None:
        """So many lines (or one body, for a reason that is a status) were refused.

        `source` is the scope of the collector key, or the input, that they came from; empty where nobody is known.
        """
        ...

    def received(self, size: int, seconds: float) -> None:
        """A body of so many bytes was dealt with in so many seconds."""
        ...


def tell(observer: Observer, kept: Kept, reasons: Sequence[Reason], source: str) -> None:
    """Let an observer hear what became of a body, and from whom it came."""
    if kept.accepted:
        observer.accepted(kept.accepted)
    if kept.duplicates:
        observer.duplicates(kept.duplicates)
    for reason in set(reasons):
        observer.rejected(reason, reasons.count(reason), source)
