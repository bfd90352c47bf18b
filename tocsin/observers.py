"""Hears what alerting did: counts it, writes what an operator should know to the log, and remembers refusals."""

import logging
from collections import OrderedDict
from typing import Final

from alerting.alert import Alert
from alerting.deciding.decide import Decision
from alerting.sink import Result
from stream.control import Act
from stream.finding import Finding
from tocsin.upkeep.metrics import Metrics

logger = logging.getLogger("tocsin.alerting")

REMEMBERED: Final = 1_000


class Observers:
    """One hearer for the alert task and all deliveries; `rejections` says why an operator's act was not done."""

    def __init__(self, metrics: Metrics) -> None:
        self.rejections: OrderedDict[Act, str] = OrderedDict()
        self._metrics = metrics

    def decided(self, finding: Finding, decision: Decision, page_id: str | None, clock: float) -> None:  # noqa: ARG002  # the observer's signature
        """A finding was decided."""
        self._metrics.decided(decision.reason)
        logger.info(
            "finding",
            extra={
                "class": finding.class_,
                "severity": finding.severity,
                "incident": decision.incident[:12],
                "reason": decision.reason,
                "page": page_id is not None,
                "title": finding.title,
            },
        )

    def rejected(self, act: Act, why: str) -> None:
        """An operator's act could not be done."""
        self.rejections[act] = why
        while len(self.rejections) > REMEMBERED:
            self.rejections.popitem(last=False)

    def attempted(self, sink: str, alert: Alert, result: Result, attempts: int, now: float) -> None:
        """A sink answered for an alert."""
        self._metrics.delivered(sink, alert, result.outcome, now)
        if result.outcome == "done":
            return
        level = logging.ERROR if result.outcome == "refused" else logging.WARNING
        extra = {"sink": sink, "incident": alert.incident.id[:12], "attempt": attempts, "why": result.why}
        logger.log(level, "delivery %s", result.outcome, extra=extra)
