"""Retention at work: what is due in the log and in the alerts' database goes, noted first, unless it is held."""

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from alerting import removal
from alerting.record import Record
from alerting.store import Store
from stream.crypt import Crypt
from stream.crypt_keys import KeyRing
from stream.errors import RejectedError
from stream.finding import DECODER
from stream.frame import HEADER_DECODER, Header
from stream.index import FrameIndex
from stream.ledger import Ledger
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.removals import DONE, KIND, Removal
from stream.removing import Job, Note, Picked, Remover, events_of
from stream.rewrite import Line
from stream.sqlite import SqliteLog
from stream.sqlite_file import connect, explained
from stream.sqlite_frames import touching
from stream.sqlite_removal import key_ids
from tocsin.config.retention import Retention
from tocsin.removal.holds import Hold, Holds
from tocsin.removal.retention import DAY, Due, Kind, cutoff, days_of, due
from tocsin_audit.event import AuditEvent, rfc3339

logger = logging.getLogger("tocsin.removal.retention")

PATIENCE: Final = 5.0
"""Seconds that one job waits for another."""
TASK: Final = "retention"
EVIDENCE: Final = "evidence_removed"
"""The kind of a note about archives, which the ledger has by the digest in their incident's timeline."""
NOTED: Final = 2_000
"""Rows that one note names at most."""

FRAMES: Final = frozenset({"events", "findings", "control"})
"""What data keys of frames are for."""

Step = dict[str, Any]
"""What was removed in one place, or would be: `kind`, `what`, and how much of it."""


class Retaining:
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
    ) -> None:
        self.log = log
        self.store = store
        self.ledger = ledger
        self.policy = policy
        self.holds = Holds(data, note, ledger.said, crypt)
        self.tenant_of = tenant_of
        self.busy = threading.Lock()
        self._crypt = crypt
        self.note = note
        limits = {EVENTS: folded, FINDINGS: decided}
        self.remover = Remover(
            log, note, lambda stream: min(ledger.next(*stream), limits[stream]()), crypt=crypt, index=index
        )

    def resume(self) -> list[Job]:
        """Carry out what was noted before a crash and not done; the jobs that had not ended."""
        ended = {said["job"] for said in self.done()}
        jobs = self.remover.resume(self.ledger.said(KIND), ended, self._rows_again)
        for job in jobs:
            logger.warning("a removal that was interrupted was carried out as far as it was noted: %s", job.why)
            self.remover.done(job, interrupted=True)
        return jobs

    def done(self) -> list[dict[str, Any]]:
        """What the ledger says of all jobs that ended, the oldest first."""
        return [msgspec.json.decode(body) for _, body in self.ledger.said(DONE)]

    def run(self, now: float, by: str, *, dry: bool = False) -> Iterator[Step]:
        """Remove what is due at a moment, a step at a time; with `dry` only tell of it.

        Raises DamagedError where holds are missing or a frame cannot be read, RejectedError while another job is done.
        """
        with self.alone():
            yield from self._run(now, by, dry=dry)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nothing else is removed, and no hold made or lifted. Raises RejectedError while that is done."""
        if not self.busy.acquire(timeout=PATIENCE):
            raise RejectedError("something else is being removed just now", hint="try again once it is done")
        try:
            yield
        finally:
            self.busy.release()

    def _run(self, now: float, by: str, *, dry: bool) -> Iterator[Step]:
        self.resume()
        holds = self.holds.standing(now)
        job = Job(f"retention-{secrets.token_hex(6)}", "retention")
        count: Counter[str] = Counter()
        for steps in (self._events, self._findings, self._incidents, self._decisions, self._evidence):
            for step in steps(now, holds, job, dry=dry):
                count[step["kind"]] += step["removed"]
                count["bytes"] += step.get("bytes", 0)
                yield step
        if not dry and count.total():
            count["bytes"] += self.compact()
            self.forget_keys(now)
            self.remover.done(job, by=by, removed=dict(count))
            logger.info("removed what was due", extra=dict(count))

    # -- the log

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
            picked = self.remover.pick(EVENTS, path, self._due_events(rule, touching_, told))
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

    def _due_events(
        self, rule: Due, holds: Sequence[Hold], told: Counter[str]
    ) -> Callable[[Header, list[Line]], Collection[int]]:
        def decide(header: Header, lines: list[Line]) -> list[int]:
            return self.free(header, lines, lambda _, tenant: rule.of(tenant), holds, told)

        return decide

    def free(
        self,
        header: Header,
        lines: list[Line],
        wanted: Callable[[AuditEvent, str | None], bool],
        holds: Sequence[Hold],
        told: dict[str, int],
    ) -> list[int]:
        """Which lines hold an event that is `wanted`, given with its tenant, and not held; `told` counts the held."""
        chosen = []
        for at, event in events_of(header, lines):
            tenant = self.tenant_of(event)
            if wanted(event, tenant):
                if any(hold.holds(event, tenant) for hold in holds):
                    told["held"] += 1
                else:
                    chosen.append(at)
        return chosen

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

        def decide(header: Header, lines: list[Line]) -> list[int]:
            rule = due(self.policy, "findings", header.received, now)
            if header.content != "findings" or not rule.any:
                return []
            chosen = []
            for at, line in enumerate(lines):
                if line.text:
                    finding = DECODER.decode(line.text)
                    if rule.of(finding.tenant):
                        if any(hold.holds_finding(finding) for hold in holds):
                            told["held"] += 1
                        else:
                            chosen.append(at)
            return chosen

        ranges = touching(path, 0.0, now)
        offsets = (offset for begin, end in ranges for offset in range(begin, end))
        removed = self._take(FINDINGS, path, self.remover.pick(FINDINGS, path, decide, offsets), job, dry=dry)
        if removed or told["held"]:
            yield {"kind": "findings", "what": "by tenant", "removed": removed, "held": told["held"]}

    def _take(self, stream: Stream, path: Path, picked: Iterator[Picked], job: Job, *, dry: bool) -> int:
        if dry:
            return sum(len(one.removed) for one in picked)
        return self.remover.lines(stream, path, picked, job)

    # -- the alerts' database

    def _incidents(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        with self.store.reading() as connection:
            found = removal.ended(connection, self._past("incidents", now))
        free = [record for record in found if not self.held(record, holds)]
        if not dry and free and not self.remove_incidents([record.id for record in free], job):
            free = []
        if found:
            yield {"kind": "incidents", "what": "ended", "removed": len(free), "held": len(found) - len(free)}

    def _decisions(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        with self.store.reading() as connection:
            found = removal.old(connection, self._past("decisions", now), self._kept(connection, holds))
        rows = self.sealed(found.rows)
        if count := sum(map(len, rows.values())):
            if not dry:
                self.remove_rows(rows, job)
            yield {"kind": "decisions", "what": "decisions and alerts", "removed": count, "held": 0}

    def _evidence(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        with self.store.reading() as connection:
            found = removal.evidence(connection, self._past("evidence", now))
            kept = self._kept(connection, holds)
            free = [(incident, opening) for incident, opening, _ in found if not kept(incident)]
        if not dry and free:
            self.note_evidence(free, job)
            with self.store.unit() as unit:
                removal.remove_evidence(unit.connection, free, f"removed by retention on {rfc3339(now)[:10]}")
        if found:
            yield {"kind": "evidence", "what": "archives", "removed": len(free), "held": len(found) - len(free)}

    def remove_incidents(self, ids: Sequence[str], job: Job) -> bool:
        """Take whole incidents away; False where some of their rows are not sealed yet."""
        with self.store.reading() as connection:
            rows = removal.rows_of(connection, ids)
        if rows != self.sealed(rows):
            return False
        self._note_rows(rows, job)
        with self.store.unit() as unit:
            removal.remove_rows(unit.connection, rows)
            removal.remove_incidents(unit.connection, ids)
        self._unsalt(rows)
        return True

    def remove_rows(self, rows: removal.Rows, job: Job) -> None:
        """Take sealed rows away, after the ledger has it."""
        self._note_rows(rows, job)
        with self.store.unit() as unit:
            removal.remove_rows(unit.connection, rows)
        self._unsalt(rows)

    def compact(self) -> int:
        """Give the disk back what was taken out; how many bytes of the log. The file being written to waits a day."""
        self.store.compact()
        freed = self.remover.compact(EVENTS, self.log.files(EVENTS)[:-1])
        return freed + self.remover.compact(FINDINGS, self.log.files(FINDINGS))

    def forget_keys(self, now: float) -> int:
        """Destroy the data keys of frames that are all gone, so that no copy of these can be read either; how many."""
        ring = self._crypt.ring if self._crypt is not None else None
        if not isinstance(ring, KeyRing) or not (past := ring.past(FRAMES, now)):
            return 0
        used = {id_ for stream in (EVENTS, FINDINGS) for path in self.log.files(stream) for id_ in key_ids(path)}
        gone = ring.destroy(past - used)
        if gone:
            logger.info("destroyed data keys that nothing is encrypted with any more", extra={"keys": gone})
        return gone

    def note_evidence(self, archives: Sequence[tuple[str, int]], job: Job) -> None:
        """Have the ledger say which archives of evidence are about to go."""
        named = [f"{incident} {opening}" for incident, opening in archives]
        self.note(EVIDENCE, job=job.id, why=job.why, archives=named)

    def held(self, record: Record, holds: Sequence[Hold]) -> bool:
        """Whether an incident must stay."""
        values = tuple(record.entity.values())
        return any(hold.holds_incident(record.id, record.tenant, values, record.opened) for hold in holds)

    def _kept(self, connection: Any, holds: Sequence[Hold]) -> Callable[[str], bool]:
        if not holds:
            return lambda _: False
        with self.store.unit() as unit:
            known = {id_: unit.record(id_) for id_ in removal.all_incidents(connection)}
        return lambda id_: (record := known.get(id_)) is not None and self.held(record, holds)

    def _past(self, kind: Kind, now: float) -> removal.Past:
        def past(tenant: str | None) -> float | None:
            days = days_of(self.policy, kind, tenant)
            return None if days is None else now - days * DAY

        return past

    def sealed(self, rows: removal.Rows) -> removal.Rows:
        """Those of the rows that the ledger has already."""
        found = {name: [id_ for id_ in ids if id_ < self.ledger.next(name, 0)] for name, ids in rows.items()}
        return {name: ids for name, ids in found.items() if ids}

    def _note_rows(self, rows: removal.Rows, job: Job) -> None:
        for name, ids in rows.items():
            for at in range(0, len(ids), NOTED):
                some = ids[at : at + NOTED]
                frames = {str(id_): ("", "") for id_ in some}
                bounds = {"begin": some[0], "end": some[-1] + 1}
                self.note(
                    KIND, what="frames", stream=name, partition=0, **bounds, why=job.why, job=job.id, frames=frames
                )

    def _rows_again(self, said: Removal) -> None:
        if said.stream in removal.SEALED:
            rows = {said.stream: [int(id_) for id_ in said.frames]}
            with self.store.unit() as unit:
                removal.remove_rows(unit.connection, rows)
            self._unsalt(rows)

    def _unsalt(self, rows: removal.Rows) -> None:
        for name, ids in rows.items():
            self.ledger.unsalt(name, ids)

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
