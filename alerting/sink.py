"""What a sink is: somewhere alerts go, which says for each alert what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol, runtime_checkable

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
SECRET: Final[dict[str, Any]] = {"secret": True}
"""Marks an option, in msgspec's `Meta(extra=…)`, that is only taken by reference, whatever it is called."""
PATH: Final[dict[str, Any]] = {"path": True}
"""Marks an option that is a file's path and starts at the configuration's folder."""


class Sink(Protocol):
    """Delivers alerts to one place.

    A sink's module exposes `SINK`, its class. `pager` says that it wakes a person, so that it hears of pages alone; an
    option of that name says so in its place where a sink can be either.
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


@runtime_checkable
class Renewing(Protocol):
    """A sink whose service forgets what is not said again."""

    renew_seconds: ClassVar[float]

    def renew(self, alerts: Sequence[Alert]) -> Result:
        """Say again what stands: for each incident that is not over, the last alert that was delivered here.

        Called about every `renew_seconds`, from the thread that delivers, with alerts whose delivery is done.
        """
        ...
