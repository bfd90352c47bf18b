"""Who hears what alerting did, for metrics and the program's log; never decides anything."""

from typing import Protocol

from alerting.alert import Alert
from alerting.deciding.decide import Decision
from alerting.sink import Result
from stream.control import Act
from stream.finding import Finding


class Observer(Protocol):
    """Called after the transaction that makes it so; times in seconds since the epoch."""

    def decided(self, finding: Finding, decision: Decision, page_id: str | None, clock: float) -> None:
        """A finding was decided; `page_id` names the page or bundle that tells of it."""
        ...

    def rejected(self, act: Act, why: str) -> None:
        """An operator's act could not be done."""
        ...

    def attempted(self, sink: str, alert: Alert, result: Result, attempts: int, now: float) -> None:
        """A sink answered for an alert, at its n-th attempt."""
        ...


class Unobserved:
    """Nobody listens."""

    def decided(self, finding: Finding, decision: Decision, page_id: str | None, clock: float) -> None:
        """See Observer."""

    def rejected(self, act: Act, why: str) -> None:
        """See Observer."""

    def attempted(self, sink: str, alert: Alert, result: Result, attempts: int, now: float) -> None:
        """See Observer."""
