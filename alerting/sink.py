"""What a sink is: somewhere alerts go, which says for each alert what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from alerting.alert import Alert

Outcome = Literal["done", "retry", "refused"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one alert: done, worth another try (after `after` seconds if the service said so), or refused.

    `why` is one cleaned sentence; `repeated` says that a copy may already have arrived and could not be looked up.
    """

    outcome: Outcome
    why: str = ""
    after: float | None = None
    repeated: bool = False


DONE = Result("done")


class Sink(Protocol):
    """Delivers alerts to one place.

    A sink's module exposes `SINK`, its class. `pager` says that it wakes a person, so that it hears of pages alone.
    `Options` is a msgspec Struct that the configuration section is converted to; secrets in it are values already read
    from files or the environment by the program.
    """

    name: ClassVar[str]
    pager: ClassVar[bool]
    Options: ClassVar[type]

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Deliver alerts in order and answer for each of them, in the same order.

        `in_doubt` holds the ids of alerts whose earlier attempt may have arrived: they are looked up first where the
        service can be asked, and marked as repeats where it cannot. Never raises for what the service did; a service
        that is down is `retry` for every alert.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
