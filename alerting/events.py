"""What sending events beside alerts needs: which of them are asked for, and what became of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from alerting.matching import Condition, Have
from alerting.sink import Result
from tocsin_audit.event import AuditEvent


class Sent(NamedTuple):
    """What became of events: `retry` says what is in the way, `refused` why some were not taken for good."""

    retry: Result | None
    refused: tuple[str, ...]


class EventSender(Protocol):
    """Where events go."""

    def send(self, events: Sequence[AuditEvent], *, in_doubt: bool) -> Sent:
        """Send events and say what became of them; those in doubt may have arrived before. Never raises for that."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


def asked_for(event: AuditEvent, conditions: Sequence[Condition]) -> bool:
    """Whether an event is one of those that are sent: all conditions hold of its fields."""
    return all(condition.holds(_have(event, condition.key)) for condition in conditions)


def _have(event: AuditEvent, key: str) -> Have:
    value = getattr(event, key, None)
    if value is None:
        return {}
    return {key: tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)}
