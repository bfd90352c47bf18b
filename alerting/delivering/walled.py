"""Sinks whose readers may see some tenants only: an alert is shown as it may be seen, and else not delivered there."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec

from alerting.alert import Alert, Incident
from alerting.incidents.walls import own_finding, own_incident, owners_finding, owners_incident
from alerting.sink import Renewing, Result, Sink
from alerting.wording.texts import Texts

TOGETHER: Final = frozenset({"bundle", "digest"})
"""Changes that tell of several incidents at once, whoever's these are."""
SEVERAL: Final = "Several incidents are told together, some of which may be of other tenants"
NOT_THEIRS: Final = Result("done", "nothing in it is for this sink's tenants")


def walled_alert(alert: Alert, tenants: frozenset[str], texts: Texts) -> Alert | None:
    """An alert as those see it who may see these tenants; None where nothing in it is theirs.

    Of an incident between tenants each sees its own side. Of several that are told together nobody knows here whose
    they are, so that no more is told than where to look.
    """
    if alert.change in TOGETHER:
        lead = alert.incident
        plain = msgspec.structs.replace(
            lead, tenant=None, entity={}, facts={}, title=SEVERAL, findings=0, events=0, acknowledged_by=None
        )
        text = f"{SEVERAL}\nYours: tocsin incident list"
        return msgspec.structs.replace(alert, incident=plain, findings=(), text=text, note="")
    if alert.incident.tenant in tenants:
        findings = [own for one in alert.findings if (own := own_finding(one, tenants)) is not None]
        return _written(alert, own_incident(alert.incident, tenants), findings, alert.note, texts)
    theirs = [own for one in alert.findings if (own := owners_finding(one, tenants)) is not None]
    if not theirs:
        return None
    side = owners_incident(alert.incident, [(alert.time, one) for one in theirs])
    return _written(alert, side, theirs, "", texts)


class Walled:
    """A sink for the readers of some tenants."""

    name: ClassVar[str] = "walled"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = type(None)

    def __init__(self, sink: Sink, tenants: frozenset[str], texts: Texts) -> None:
        self._sink = sink
        self._tenants = tenants
        self._texts = texts

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Deliver what may be seen; see `Sink.deliver`."""
        shown = [walled_alert(alert, self._tenants, self._texts) for alert in alerts]
        delivered = iter(self._sink.deliver([one for one in shown if one is not None], in_doubt))
        return [NOT_THEIRS if one is None else next(delivered) for one in shown]

    def close(self) -> None:
        """Give back connections."""
        self._sink.close()


class WalledRenewing(Walled):
    """The same for a sink that says again what stands."""

    def __init__(self, sink: Any, tenants: frozenset[str], texts: Texts) -> None:
        super().__init__(sink, tenants, texts)
        self._renewing: Renewing = sink
        self.renew_seconds = sink.renew_seconds

    def renew(self, alerts: Sequence[Alert]) -> Result:
        """Say again what stands; see `Renewing.renew`."""
        shown = [one for alert in alerts if (one := walled_alert(alert, self._tenants, self._texts)) is not None]
        return self._renewing.renew(shown)


def walled(sink: Sink, tenants: frozenset[str], texts: Texts) -> Sink:
    """A sink whose readers may see these tenants alone."""
    made = WalledRenewing if isinstance(sink, Renewing) else Walled
    return made(sink, tenants, texts)


def _written(alert: Alert, incident: Incident, findings: Sequence[Any], note: str, texts: Texts) -> Alert:
    shown = msgspec.structs.replace(alert, incident=incident, findings=tuple(findings), note=note, text="")
    return msgspec.structs.replace(shown, text=texts.of_change(shown))
