"""Retention at work: what is due in the log and in the alerts' database goes, noted first, unless it is held."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from alerting.database.store import Store
from stream.embedded.file import connect, explained
from stream.embedded.frames import touching
from stream.embedded.removal import first_and_last, key_ids
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing
from stream.frame import HEADER_DECODER, unpack
from stream.index import terms as index_terms
from stream.index.file import FrameIndex
from stream.ledger.file import Ledger
from stream.ledger.removals import KIND
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.removing import Job, Note, Picked, Remover
from stream.rewrite import Line
from stream.sqlite import SqliteLog
from tocsin.config.retention import Retention
from tocsin.removal.holds import Hold
from tocsin.removal.keeping import Decide, Keeping, Step
from tocsin.removal.keys_used import Used
from tocsin.removal.retention import DAY, cutoff, due
from tocsin_audit.event import AuditEvent, rfc3339

logger = logging.getLogger("tocsin.removal.retention")

TASK: Final = "retention"
FRAMES: Final = frozenset({"events", "findings", "control"})
"""What data keys of frames are for."""


class Retaining(Keeping):
    """Removes what is due, and what a person asks to have erased (see `tocsin.removal.erasing`), one job at a time.

    `folded` says up to where the events are in the state that a restart begins with, `decided` the same of findings.
    """

    def __init__(
        self,
        log: SqliteLog,
        store: Store,
        ledger: Ledger,
        note: Note,
        policy: Retention,
        data: Path,
        *,
        folded: Callable[[], int],
        decided: Callable[[], int],
        tenant_of: Callable[[AuditEvent], str | None],
        crypt: Crypt | None = None,
        index: FrameIndex | None = None,
        used: Used | None = None,
    ) -> None:
        super().__init__(store, ledger, note, policy, data, tenant_of, crypt)
        self.log = log
        self._crypt = crypt
        self._index = index
        self._used = used or {}
        limits = {EVENTS: folded, FINDINGS: decided}
        self.remover = Remover(
            log, note, lambda stream: min(ledger.next(*stream), limits[stream]()), crypt=crypt, index=index
        )

    def resume(self) -> list[Job]:
        """Carry out what was noted before a crash and not done; the jobs that had not ended."""
        ended = {said["job"] for said in self.done()}
        jobs = self.remover.resume(self.ledger.said(KIND), ended, self.rows_again)
        for job in jobs:
            logger.warning("a removal that was interrupted was carried out as far as it was noted: %s", job.why)
            self.remover.done(job, interrupted=True)
        return jobs

    def take(self, name: str, decide: Decide, job: Job, principal: str, *, dry: bool) -> Iterator[Step]:
        """See `Keeping.take`; a step for each file."""
        stream = EVENTS if name == EVENTS.name else FINDINGS
        offsets = self._where(principal) if stream == EVENTS else None
        for path in self.log.files(stream):
            own = _inside(offsets, path)
            if own is not None and not own:
                continue
            told = {"held": 0}
            picked = self.remover.pick(stream, path, partial(decide, told), own)
            count = self._take(stream, path, picked, job, dry=dry)
            if count or told["held"]:
                yield {"kind": name, "what": path.stem, "removed": count, "held": told["held"]}

    def _where(self, principal: str) -> list[int] | None:
        """The offsets of the events' frames that may name somebody; None where there is no index."""
        if self._index is None:
            return None
        known = self._index.fitting(0.0, 1e12, [index_terms.principal(principal)])
        return [*sorted(known), *range(self._index.position, self.log.end(EVENTS))]

    def too_new(self, name: str, decide: Decide) -> int:
        """See `Keeping.too_new`."""
        stream = EVENTS if name == EVENTS.name else FINDINGS
        position, count = self.remover.limit(stream), 0
        while records := self.log.read(stream, position):
            for _, frame in records:
                lines = [Line(text, b"", b"") for text in unpack(frame).split(b"\n")]
                count += len(decide({"held": 0}, frame.header, lines))
            position = records[-1].offset + 1
        return count

    def finish(self, job: Job, now: float, by: str, count: dict[str, int]) -> Iterator[Step]:
        """See `Keeping.finish`."""
        freed = count.get("bytes", 0) + self.compact()
        self.forget_keys(now)
        self.remover.done(job, by=by, removed={**count, "bytes": freed})
        yield from ()

    def due_in_log(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        """See `Keeping.due_in_log`."""
        yield from self._events(now, holds, job, dry=dry)
        yield from self._findings(now, holds, job, dry=dry)

    def _events(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        seen = self._seen()
        there = self.log.files(EVENTS)
        for path in there[:-1]:
            end = datetime.strptime(path.stem, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + DAY
            rule = due(self.policy, "events", end, now)
            if not rule.any:
                continue
            touching_ = [hold for hold in holds if hold.touches(end - 9 * DAY, end + DAY)]
            step = {"kind": "events", "what": path.stem, "why": rule.why}
            if rule.all and not touching_:
                yield from self._file(path, step, Job(job.id, rule.why), dry=dry)
                continue
            key = f"{rule} {sorted(hold.id for hold in touching_)}"
            if seen.get(path.name) == key:
                continue
            told: Counter[str] = Counter()
            picked = self.remover.pick(EVENTS, path, self.due_events(rule, touching_, told))
            removed = self._take(EVENTS, path, picked, Job(job.id, rule.why), dry=dry)
            if not dry:
                seen[path.name] = key
                kept = {name: seen[name] for name in seen if (path.parent / name).exists()}
                self.log.save(Snapshot(TASK, 1, 0, msgspec.json.encode(kept), {}))
            if removed or told["held"]:
                yield {**step, "removed": removed, "held": told["held"]}

    def _file(self, path: Path, step: Step, job: Job, *, dry: bool) -> Iterator[Step]:
        size = path.stat().st_size
        lines = _count(path)
        freed = size if dry else self.remover.file(EVENTS, path, job)
        if freed:
            yield {**step, "removed": lines, "held": 0, "bytes": freed, "file": True}
        else:
            yield {**step, "removed": 0, "held": 0, "waits": "it is not all sealed and in a snapshot yet"}

    def _findings(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        path = self.log.files(FINDINGS)[-1] if self.log.files(FINDINGS) else None
        if path is None:
            return
        everybody = cutoff(self.policy, "findings", now)
        if everybody is not None and not holds:
            end, count = _before(path, everybody)
            job_ = Job(job.id, "retention")
            if count and (dry or self.remover.prefix(FINDINGS, end, job_)):
                yield {"kind": "findings", "what": f"before {rfc3339(everybody)[:10]}", "removed": count, "held": 0}
        if everybody is not None and not holds and not self.policy.tenants:
            return
        told: Counter[str] = Counter()
        decide = self.due_findings(now, holds, told)
        ranges = touching(path, 0.0, now)
        offsets = (offset for begin, end in ranges for offset in range(begin, end))
        removed = self._take(FINDINGS, path, self.remover.pick(FINDINGS, path, decide, offsets), job, dry=dry)
        if removed or told["held"]:
            yield {"kind": "findings", "what": "by tenant", "removed": removed, "held": told["held"]}

    def _take(self, stream: Stream, path: Path, picked: Iterator[Picked], job: Job, *, dry: bool) -> int:
        if dry:
            return sum(len(one.removed) for one in picked)
        return self.remover.lines(stream, path, picked, job)

    def compact(self) -> int:
        """Give the disk back what was taken out; how many bytes of the log. The file being written to waits a day."""
        self.store.compact()
        freed = self.remover.compact(EVENTS, self.log.files(EVENTS)[:-1])
        return freed + self.remover.compact(FINDINGS, self.log.files(FINDINGS))

    def forget_keys(self, now: float) -> int:
        """Destroy the data keys of what is all gone, so that no copy of that can be read either; how many."""
        ring = self._crypt.ring if self._crypt is not None else None
        if not isinstance(ring, KeyRing):
            return 0
        unused: set[str] = set()
        if past := ring.past(FRAMES, now):
            unused |= past - {
                id_ for stream in (EVENTS, FINDINGS) for path in self.log.files(stream) for id_ in key_ids(path)
            }
        for purpose, used in self._used.items():
            if past := ring.past({purpose}, now):
                unused |= past - used()
        gone = ring.destroy(unused)
        if gone:
            logger.info("destroyed data keys that nothing is encrypted with any more", extra={"keys": gone})
        return gone

    def see_to_holds(self, now: float) -> None:
        """See `Keeping.see_to_holds`: here nothing goes but by this."""

    def tidy(self, now: float) -> None:
        """See `Keeping.tidy`."""
        self.forget_keys(now)

    def _seen(self) -> dict[str, str]:
        snapshot = self.log.load(TASK)
        return {} if snapshot is None else msgspec.json.decode(snapshot.meta, type=dict[str, str])


def _count(path: Path) -> int:
    """The lines of events that a file still has."""
    total = 0
    with explained(path), closing(connect(path)) as connection:
        for (header,) in connection.execute('SELECT header FROM frames WHERE payload IS NOT NULL AND "last" > 0'):
            total += HEADER_DECODER.decode(header).count
    return total


def _before(path: Path, moment: float) -> tuple[int, int]:
    """The offset of the first frame of a file that was received at a moment or after it, and the lines before."""
    end = lines = 0
    with explained(path), closing(connect(path)) as connection:
        for offset, header in connection.execute('SELECT "offset", header FROM frames ORDER BY "offset"'):
            known = HEADER_DECODER.decode(header)
            if known.received >= moment:
                break
            end, lines = offset + 1, lines + known.count
    return end, lines


def _inside(offsets: list[int] | None, path: Path) -> list[int] | None:
    """Those of the offsets that a file has."""
    if offsets is None:
        return None
    bounds = first_and_last(path)
    return [at for at in offsets if bounds is not None and bounds[0] <= at < bounds[1]]
