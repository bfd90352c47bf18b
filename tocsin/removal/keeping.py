"""What all removals have in common: one job at a time, holds, notes in the ledger, and the alerts' database."""

import logging
import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from alerting import removal
from alerting.database.store import Store
from alerting.incidents.record import Record
from stream.encryption.crypt import Crypt
from stream.errors import RejectedError
from stream.finding import DECODER
from stream.frame import Header
from stream.ledger.file import Ledger
from stream.ledger.removals import DONE, KIND, Removal
from stream.removing import Job, Note, events_of
from stream.rewrite import Line
from tocsin.config.retention import Retention
from tocsin.removal.holds import Hold, Holds
from tocsin.removal.retention import DAY, Due, Kind, days_of, due
from tocsin_audit.event import AuditEvent, rfc3339

logger = logging.getLogger("tocsin.removal.retention")

PATIENCE: Final = 5.0
"""Seconds that one job waits for another."""
EVIDENCE: Final = "evidence_removed"
"""The kind of a note about archives, which the ledger has by the digest in their incident's timeline."""
NOTED: Final = 2_000
"""Rows that one note names at most."""

Step = dict[str, Any]
"""What was removed in one place, or would be: `kind`, `what`, and how much of it; `left` where it only goes on."""
Decide = Callable[[dict[str, int], Header, list[Line]], Collection[int]]
"""Which lines of a frame are to go; it counts those that are held."""


class Keeping(ABC):
    """What decides over the data of one log and its alerts. `tenant_of` says whose an event is.

    Raises DamagedError where holds are missing, RejectedError while another job is done.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        note: Note,
        policy: Retention,
        data: Path,
        tenant_of: Callable[[AuditEvent], str | None],
        crypt: Crypt | None,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.note = note
        self.policy = policy
        self.holds = Holds(data, note, ledger.said, crypt)
        self.tenant_of = tenant_of
        self.busy = threading.Lock()

    patience = "a minute"
    """How long it takes until what is too new no longer is."""

    @abstractmethod
    def resume(self) -> list[Job]:
        """Carry out what was noted before a crash and not done; the jobs that had not ended."""

    @abstractmethod
    def take(self, name: str, decide: Decide, job: Job, principal: str, *, dry: bool) -> Iterator[Step]:
        """Take lines out of the frames of a named stream, a step for each part of it that had any.

        `principal` is whom the lines are about, where an index can say where such stand. With `dry` only tell of it.
        """

    @abstractmethod
    def too_new(self, name: str, decide: Decide) -> int:
        """How many lines of a named stream should go that stand where nothing may be changed yet."""

    @abstractmethod
    def finish(self, job: Job, now: float, by: str, count: dict[str, int]) -> Iterator[Step]:
        """See to it that nobody can read again what was taken out, and note the end of the job with what it came to."""

    @abstractmethod
    def due_in_log(self, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        """Remove what is due in the log."""

    @abstractmethod
    def see_to_holds(self, now: float) -> None:
        """See to it that nothing else removes what is held; called whenever a hold is made or lifted, and now and then.

        Raises StorageError where that cannot be had: what is held may then be lost.
        """

    @abstractmethod
    def tidy(self, now: float) -> None:
        """What is to be done each day, also where nothing is due."""

    def done(self) -> list[dict[str, Any]]:
        """What the ledger says of all jobs that ended, the oldest first."""
        return [msgspec.json.decode(body) for _, body in self.ledger.said(DONE)]

    def run(self, now: float, by: str, *, dry: bool = False) -> Iterator[Step]:
        """Remove what is due at a moment, a step at a time; with `dry` only tell of it.

        Raises DamagedError where holds are missing or a frame cannot be read, RejectedError while another job is done.
        """
        with self.alone():
            yield from self._run(now, by, dry=dry)

    def _run(self, now: float, by: str, *, dry: bool) -> Iterator[Step]:
        self.resume()
        holds = self.holds.standing(now)
        job = Job(f"retention-{secrets.token_hex(6)}", "retention")
        count: Counter[str] = Counter()
        for steps in (self.due_in_log, self._incidents, self._decisions, self._evidence):
            for step in steps(now, holds, job, dry=dry):
                count[step["kind"]] += step["removed"]
                count["bytes"] += step.get("bytes", 0)
                yield step
        if not dry and count.total():
            yield from self.finish(job, now, by, count)
            logger.info("removed what was due", extra=dict(count))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nothing else is removed, and no hold made or lifted. Raises RejectedError while that is done."""
        if not self.busy.acquire(timeout=PATIENCE):
            raise RejectedError("something else is being removed just now", hint="try again once it is done")
        try:
            yield
        finally:
            self.busy.release()

    def due_events(
        self, rule: Due, holds: Sequence[Hold], told: Counter[str]
    ) -> Callable[[Header, list[Line]], Collection[int]]:
        """Which events of a frame are due, and not held."""

        def decide(header: Header, lines: list[Line]) -> list[int]:
            return self.free(header, lines, lambda _, tenant: rule.of(tenant), holds, told)

        return decide

    def due_findings(
        self, now: float, holds: Sequence[Hold], told: Counter[str]
    ) -> Callable[[Header, list[Line]], Collection[int]]:
        """Which findings of a frame are due, and not held."""

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

    def remove_incidents(self, ids: Sequence[str], job: Job) -> bool:
        """Take whole incidents away; False where some of their rows are not sealed yet."""
        with self.store.reading() as connection:
            rows = removal.rows_of(connection, ids)
        if rows != self.sealed(rows):
            return False
        self._noted_rows(rows, job)
        with self.store.unit() as unit:
            removal.remove_rows(unit.connection, rows)
            removal.remove_incidents(unit.connection, ids)
        self._unsalt(rows)
        return True

    def remove_rows(self, rows: removal.Rows, job: Job) -> None:
        """Take sealed rows away, after the ledger has it."""
        self._noted_rows(rows, job)
        with self.store.unit() as unit:
            removal.remove_rows(unit.connection, rows)
        self._unsalt(rows)

    def note_evidence(self, archives: Sequence[tuple[str, int]], job: Job) -> None:
        """Have the ledger say which archives of evidence are about to go."""
        named = [f"{incident} {opening}" for incident, opening in archives]
        self.note(EVIDENCE, job=job.id, why=job.why, archives=named)

    def held(self, record: Record, holds: Sequence[Hold]) -> bool:
        """Whether an incident must stay."""
        values = tuple(record.entity.values())
        return any(hold.holds_incident(record.id, record.tenant, values, record.opened) for hold in holds)

    def sealed(self, rows: removal.Rows) -> removal.Rows:
        """Those of the rows that the ledger has already."""
        found = {name: [id_ for id_ in ids if id_ < self.ledger.next(name, 0)] for name, ids in rows.items()}
        return {name: ids for name, ids in found.items() if ids}

    def _noted_rows(self, rows: removal.Rows, job: Job) -> None:
        for name, ids in rows.items():
            for at in range(0, len(ids), NOTED):
                some = ids[at : at + NOTED]
                frames = {str(id_): ("", "") for id_ in some}
                bounds = {"begin": some[0], "end": some[-1] + 1}
                self.note(
                    KIND, what="frames", stream=name, partition=0, **bounds, why=job.why, job=job.id, frames=frames
                )

    def rows_again(self, said: Removal) -> None:
        """Carry out what a note says of rows."""
        if said.stream in removal.SEALED:
            rows = {said.stream: [int(id_) for id_ in said.frames]}
            with self.store.unit() as unit:
                removal.remove_rows(unit.connection, rows)
            self._unsalt(rows)

    def _unsalt(self, rows: removal.Rows) -> None:
        for name, ids in rows.items():
            self.ledger.unsalt(name, ids)

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
