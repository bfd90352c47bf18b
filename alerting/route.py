"""Routing: which sinks hear of a change, and whose page budget it is."""

from dataclasses import dataclass

from alerting.alert import Change
from alerting.record import Record


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told: a name, the sinks that hear everything and the pagers that wake a person.

    The page budget is the receiver's, however many pagers reach them.
    """

    name: str
    sinks: tuple[str, ...] = ()
    pagers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """Who is told of which incident; one receiver is told of all."""

    receivers: tuple[Receiver, ...] = (Receiver("on-call"),)

    def receivers_of(self, record: Record) -> tuple[Receiver, ...]:  # noqa: ARG002  # a tree will ask for tenant, severity and hour
        """The receivers of an incident."""
        return self.receivers


def sinks_of(receiver: Receiver, change: Change, *, page: bool, paged: bool, ended: bool) -> tuple[str, ...]:
    """The sinks of a receiver that hear of a change.

    Pagers hear of pages, and of what became of an opening that was paged (`paged`), the end of it once (`ended` says
    that it had ended before).
    """
    follows = change in ("acknowledged", "contained", "resolved", "closed") and paged and not ended
    return receiver.sinks + (receiver.pagers if page or follows else ())
