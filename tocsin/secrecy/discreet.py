"""Sinks whose answers hold no secret, whatever their services throw back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from alerting.alert import Alert
from alerting.sink import Renewing, Result, Sink
from tocsin.hiding import Secrets


class Discreet:
    """A sink whose answers hold no secret."""

    name: ClassVar[str] = "discreet"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = type(None)

    def __init__(self, sink: Sink, secrets: Secrets) -> None:
        self._sink = sink
        self._secrets = secrets

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Deliver alerts; see `Sink.deliver`."""
        return [self._without(result) for result in self._sink.deliver(alerts, in_doubt)]

    def close(self) -> None:
        """Give back connections."""
        self._sink.close()

    def _without(self, result: Result) -> Result:
        return replace(result, why=self._secrets.hide(result.why)) if result.why else result


class DiscreetRenewing(Discreet):
    """The same for a sink that says again what stands."""

    def __init__(self, sink: Any, secrets: Secrets) -> None:
        super().__init__(sink, secrets)
        self._renewing: Renewing = sink
        self.renew_seconds = sink.renew_seconds

    def renew(self, alerts: Sequence[Alert]) -> Result:
        """Say again what stands; see `Renewing.renew`."""
        return self._without(self._renewing.renew(alerts))


def discreet(sink: Sink, secrets: Secrets) -> Sink:
    """A sink whose answers hold none of these secrets."""
    return DiscreetRenewing(sink, secrets) if isinstance(sink, Renewing) else Discreet(sink, secrets)
