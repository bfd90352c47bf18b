"""What Tocsin says of itself to Prometheus: counts, and the time from event to receipt, finding and delivery."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from alerting.alert import Alert
from detectors.engine.own_gaps import ENGINE, FAULT
from stream.finding import Finding
from stream.frame import Record
from tocsin.coverage.refusals import Refused
from tocsin.upkeep.stage_time import StageTime

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """One registry a running Tocsin; hears the stages and never decides anything.

    `clock` gives the wall clock in seconds since the epoch: the times measured here are Tocsin's own, not a detector's.
    `refused` tells what was refused so far, `faulty` has the detectors that failed on something and when.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.total_accepted = self.total_findings = self.total_delivered = 0
        self._refusals: dict[str, int] = {}
        self._sources: dict[str, dict[str, int]] = {}
        self.faulty: dict[str, float] = {}
        self._counting = threading.Lock()
        self.registry = CollectorRegistry()
        registry = self.registry
        self._accepted = Counter("tocsin_events_accepted", "Events made durable", registry=registry)
        self._duplicates = Counter("tocsin_events_duplicate", "Events recognised as sent before", registry=registry)
        self._rejected = Counter("tocsin_events_rejected", "Lines refused, by reason", ["reason"], registry=registry)
        self._bytes = Counter("tocsin_received_bytes", "Bytes of bodies after decompression", registry=registry)
        self._receipt = Histogram(
            "tocsin_receipt_seconds", "From request to durable", buckets=BUCKETS, registry=registry
        )
        self._event_lag = Histogram(
            "tocsin_event_to_receipt_seconds",
            "From the newest event of a frame to its receipt",
            buckets=BUCKETS,
            registry=registry,
        )
        self._findings = Counter("tocsin_findings", "Findings, by class and mode", ["class", "mode"], registry=registry)
        self._receipt_to_finding = Histogram(
            "tocsin_receipt_to_finding_seconds",
            "From the receipt of the deciding frame to the finding, by class",
            ["class"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._finding_to_delivered = Histogram(
            "tocsin_finding_to_delivered_seconds",
            "From the decision on a finding to its delivery, by class and sink",
            ["class", "sink"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._event_to_delivered = Histogram(
            "tocsin_event_to_delivered_seconds",
            "From the deciding event's time to delivery, by class and sink",
            ["class", "sink"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._deliveries = Counter(
            "tocsin_deliveries", "Attempts to deliver, by sink and outcome", ["sink", "outcome"], registry=registry
        )
        self._decisions = Counter("tocsin_decisions", "Decisions on findings, by reason", ["reason"], registry=registry)
        self._problem = Gauge("tocsin_problem", "1 while a stage cannot go on", ["stage"], registry=registry)
        registry.register(StageTime())

    def accepted(self, count: int) -> None:
        """So many events became durable."""
        self._accepted.inc(count)
        with self._counting:  # inputs have threads of their own
            self.total_accepted += count

    def duplicates(self, count: int) -> None:
        """So many events were recognised as sent before."""
        self._duplicates.inc(count)

    def rejected(self, reason: str, count: int, source: str = "") -> None:
        """So many lines were refused for a reason, of a source where that is known."""
        self._rejected.labels(reason).inc(count)
        with self._counting:
            self._refusals[reason] = self._refusals.get(reason, 0) + count
            if source:
                own = self._sources.setdefault(source, {})
                own[reason] = own.get(reason, 0) + count

    def refused(self) -> Refused:
        """What was refused so far."""
        with self._counting:
            return Refused(dict(self._refusals), {source: dict(own) for source, own in self._sources.items()})

    def received(self, size: int, seconds: float) -> None:
        """A body of so many bytes was dealt with in so many seconds."""
        self._bytes.inc(size)
        self._receipt.observe(seconds)

    def folded(self, record: Record, findings: Sequence[Finding]) -> None:
        """The detect task folded a frame."""
        header = record.frame.header
        if header.content == "events" and not header.imported:
            self._event_lag.observe(max(0.0, header.received - header.last))
        now = self._clock()
        self.total_findings += len(findings)
        for finding in findings:
            self._findings.labels(finding.class_, finding.mode).inc()
            if finding.detector == ENGINE and finding.matter == FAULT:
                self.faulty[finding.entity["producer"].partition("/")[2]] = finding.time
            if not header.imported:
                self._receipt_to_finding.labels(finding.class_).observe(max(0.0, now - header.received))

    def decided(self, reason: str) -> None:
        """A finding was decided on."""
        self._decisions.labels(reason).inc()

    def delivered(self, sink: str, alert: Alert, outcome: str, now: float) -> None:
        """An attempt to deliver ended at a moment in seconds since the epoch."""
        self._deliveries.labels(sink, outcome).inc()
        if outcome != "done":
            return
        self.total_delivered += 1
        for finding in alert.findings:
            self._finding_to_delivered.labels(finding.class_, sink).observe(max(0.0, now - alert.time))
            self._event_to_delivered.labels(finding.class_, sink).observe(max(0.0, now - finding.time))

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Offer a value that is read when somebody looks: a queue's length, a position, a lag."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def problem(self, stage: str, *, there: bool) -> None:
        """A stage cannot go on, or can again."""
        self._problem.labels(stage).set(1 if there else 0)

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
