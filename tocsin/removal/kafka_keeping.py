"""Retention and erasure on Kafka: what is left of records takes their places, and brokers take the old ones away."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from alerting.database.store import Store
from stream.broker.topics import FOREVER, keep, kept
from stream.encryption.crypt import Crypt
from stream.frame import Header
from stream.kafka import KafkaLog
from stream.kafka_removing import KafkaRemover
from stream.ledger.file import Ledger
from stream.ledger.removals import KIND
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.removing import Job, Note
from stream.rewrite import Line
from tocsin.config.retention import Retention
from tocsin.removal.holds import Hold
from tocsin.removal.keeping import Decide, Keeping, Step
from tocsin.removal.retention import DAY, due
from tocsin_audit.event import AuditEvent

logger = logging.getLogger("tocsin.removal.kafka")

TASK: Final = "topics"
"""The snapshot that says for how long the topics kept their records before a hold."""
SETTLED: Final = 600.0
"""Seconds of the decided clock that a frame must be old to be changed: every worker has it in a snapshot by then."""


class KafkaKeeping(Keeping):
    """What decides over a log on Kafka, in the process that seals it.

    `decided` says up to where the findings are decided, and the clock of that.
    """

    patience = f"{SETTLED / 60:g} minutes"

    def __init__(
        self,
        log: KafkaLog,
        store: Store,
        ledger: Ledger,
        note: Note,
        policy: Retention,
        data: Path,
        *,
        decided: Callable[[], tuple[int, float]],
        tenant_of: Callable[[AuditEvent], str | None],
        crypt: Crypt | None = None,
    ) -> None:
        super().__init__(store, ledger, note, policy, data, tenant_of, crypt)
        self._log = log
        self._held: bool | None = None

        def limit(stream: Stream) -> int:
            sealed = ledger.next(*stream)
            return min(sealed, decided()[0]) if stream == FINDINGS else sealed

        self.remover = KafkaRemover(log, note, limit, lambda: decided()[1] - SETTLED)

    def see_to_holds(self, now: float) -> None:
        """See `Keeping.see_to_holds`: the topics keep everything while a hold stands, and then what they kept before.

        What they kept before is in the log before it is changed, so that it is found again after a crash.
        """
        held = bool(self.holds.standing(now))
        if held is self._held:
            return
        topics = [self._log.topic(EVENTS), self._log.topic(FINDINGS)]
        snapshot = self._log.load(TASK)
        before = msgspec.json.decode(snapshot.meta, type=dict[str, str]) if snapshot is not None else {}
        if held and not before:
            before = kept(self._log.address, topics)
            self._log.save(Snapshot(TASK, 1, 0, msgspec.json.encode(before), {}))
        if held:
            keep(self._log.address, dict.fromkeys(topics, str(FOREVER)))
            logger.info("a legal hold stands: the topics keep everything")
        elif before:
            keep(self._log.address, before)
            self._log.save(Snapshot(TASK, 1, 0, msgspec.json.encode({}), {}))
            logger.info("no legal hold stands any more: the topics keep what they kept before")
        self._held = held

    def tidy(self, now: float) -> None:
        """See `Keeping.tidy`: on Kafka each record carries its data key, and goes with it."""

    def resume(self) -> list[Job]:
        """See `Keeping.resume`."""
        ended = {said["job"] for said in self.done()}
        jobs = self.remover.resume(self.ledger.said(KIND), ended, self.rows_again)
        for _ in self.remover.compact():
            pass
        for job in jobs:
            logger.warning("a removal that was interrupted was carried out as far as it was noted: %s", job.why)
            self.remover.done(job, interrupted=True)
        return jobs

    def take(
        self,
        name: str,
        decide: Decide,
        job: Job,
        principal: str,  # noqa: ARG002  # for logs that have an index
        *,
        dry: bool,
    ) -> Iterator[Step]:
        """See `Keeping.take`; a step for each partition, all of which are read, since nothing indexes them."""
        for stream in self._streams(name):
            told = {"held": 0}
            count = self._took(stream, partial(decide, told), job, dry=dry)
            if count or told["held"]:
                what = f"partition {stream.partition}"
                yield {"kind": name, "what": what, "removed": count, "held": told["held"]}

    def too_new(self, name: str, decide: Decide) -> int:
        """See `Keeping.too_new`."""
        chosen = partial(decide, {"held": 0})
        found = (self.remover.pick(stream, chosen, late=True) for stream in self._streams(name))
        return sum(len(one.removed) for picked in found for one in picked)

    def finish(
        self,
        job: Job,
        now: float,  # noqa: ARG002  # for logs whose data keys can be destroyed
        by: str,
        count: dict[str, int],
    ) -> Iterator[Step]:
        """See `Keeping.finish`; tells how many records the brokers still have."""
        self.store.compact()
        for left in self.remover.compact():
            yield {"kind": "log", "what": "replaced records", "removed": 0, "left": left}
        self.remover.done(job, by=by, removed=dict(count))

    def due_in_log(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        """See `Keeping.due_in_log`; what is due for everybody by the topics' own retention goes without this."""
        policy = self.policy
        if policy.events is not None or any(days.events is not None for days in policy.tenants.values()):
            yield from self._due(EVENTS.name, lambda told: self._of_events(now, holds, told), job, dry=dry)
        if policy.findings is not None or any(days.findings is not None for days in policy.tenants.values()):
            yield from self._due(FINDINGS.name, lambda told: self.due_findings(now, holds, told), job, dry=dry)

    def _due(
        self,
        name: str,
        make: Callable[[Counter[str]], Callable[[Header, list[Line]], Collection[int]]],
        job: Job,
        *,
        dry: bool,
    ) -> Iterator[Step]:
        for stream in self._streams(name):
            told: Counter[str] = Counter()
            count = self._took(stream, make(told), job, dry=dry)
            if count or told["held"]:
                yield {
                    "kind": name,
                    "what": f"partition {stream.partition}",
                    "removed": count,
                    "held": told["held"],
                    "why": "retention",
                }

    def _of_events(
        self, now: float, holds: Sequence[Hold], told: Counter[str]
    ) -> Callable[[Header, list[Line]], Collection[int]]:
        def decide(header: Header, lines: list[Line]) -> Collection[int]:
            rule = due(self.policy, "events", header.received // DAY * DAY + DAY, now)
            return self.due_events(rule, holds, told)(header, lines) if rule.any else ()

        return decide

    def _took(
        self, stream: Stream, decide: Callable[[Header, list[Line]], Collection[int]], job: Job, *, dry: bool
    ) -> int:
        picked = self.remover.pick(stream, decide)
        return sum(len(one.removed) for one in picked) if dry else self.remover.lines(stream, picked, job)

    def _streams(self, name: str) -> list[Stream]:
        return [Stream(name, number) for number in range(self._log.partitions)] if name == EVENTS.name else [FINDINGS]
