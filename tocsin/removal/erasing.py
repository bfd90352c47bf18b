"""Erasure of a person on request: events, findings, incidents, evidence, the index, and what detectors learned."""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Final

import msgspec

from alerting import erasure, removal
from alerting.erasure import About, Person
from stream.control import DirectoryVersion, read_control
from stream.directory import Directory
from stream.finding import DECODER
from stream.frame import Header
from stream.log import EVENTS, FINDINGS
from stream.removing import Job
from stream.rewrite import Line
from tocsin.removal.holds import Hold
from tocsin.removal.keeping import Decide, Keeping, Step
from tocsin_audit.event import AuditEvent, rfc3339

logger = logging.getLogger("tocsin.erasure")

ASKED: Final = "erasure"
"""The kind of the note with which an erasure begins; it names the person by a salted digest alone."""


class Erasing:
    """Erases a person; `forget` has the detectors drop what they learned of them, `directory` is the present one."""

    def __init__(
        self,
        keeping: Keeping,
        forget: Callable[[Person], int],
        directory: Callable[[], Directory],
    ) -> None:
        self._keeping = keeping
        self._forget = forget
        self._directory = directory

    def run(self, person: Person, now: float, by: str, why: str, *, dry: bool = False) -> Iterator[Step]:
        """Erase a person as far as nothing holds it, a step at a time; with `dry` only tell what would go.

        Raises RejectedError while another job is done, DamagedError where holds are missing or a frame cannot be read.
        """
        with self._keeping.alone():
            self._keeping.resume()
            holds = self._keeping.holds.standing(now)
            job = Job(f"erasure-{secrets.token_hex(6)}", "erasure on request")
            if not dry:
                salt = secrets.token_hex(16)
                digest = sha256(f"{salt}\0{person.tenant or ''}\0{person.name}".encode()).hexdigest()
                self._keeping.note(ASKED, job=job.id, by=by, reason=why, person=digest)
                yield {"kind": "receipt", "what": digest, "salt": salt, "job": job.id, "removed": 0}
            total = 0
            for step in self._steps(person, now, holds, job, dry=dry):
                total += int(step["removed"])
                yield step
            if not dry:
                yield from self._keeping.finish(job, now, by, {"total": total})
                logger.info("erased a person's data on request", extra={"job": job.id, "removed": total})

    def _steps(self, person: Person, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        yield from self._alerts(person, now, holds, job, dry=dry)
        taking = partial(self._keeping.take, job=job, principal=person.name, dry=dry)
        for name, decide in (
            (EVENTS.name, self._its_events(person, holds)),
            (FINDINGS.name, self._its_findings(person, holds)),
        ):
            yield from taking(name, decide)
            if count := self._keeping.too_new(name, decide):
                why = f"too new, not in a snapshot and sealed yet: ask again in {self._keeping.patience}"
                yield {"kind": name, "what": "the newest", "removed": 0, "waiting": count, "why": why}
        if _names(person.pattern, msgspec.json.encode(self._directory())):
            why = "it names the person: take them out of it; its versions in the log go with retention"
            yield {"kind": "directory", "what": "the directory file", "removed": 0, "why": why}
        if not dry and (count := self._forget(person)):
            yield {"kind": "baselines", "what": "what detectors learned", "removed": count}

    def _its_events(self, person: Person, holds: Sequence[Hold]) -> Decide:
        def decide(told: dict[str, int], header: Header, lines: list[Line]) -> list[int]:
            return self._keeping.free(header, lines, lambda event, tenant: concerns(event, tenant, person), holds, told)

        return decide

    def _its_findings(self, person: Person, holds: Sequence[Hold]) -> Decide:
        pattern = person.pattern

        def decide(told: dict[str, int], header: Header, lines: list[Line]) -> list[int]:
            chosen = []
            for at, line in enumerate(lines):
                if not line.text or not _names(pattern, line.text):
                    continue
                if header.content == "findings":
                    finding = DECODER.decode(line.text)
                    if finding.tenant not in (person.tenant, None):
                        continue
                    if any(hold.holds_finding(finding) for hold in holds):
                        told["held"] += 1
                        continue
                elif isinstance(read_control(line.text), DirectoryVersion):
                    continue
                chosen.append(at)
            return chosen

        return decide

    def _alerts(self, person: Person, now: float, holds: Sequence[Hold], job: Job, *, dry: bool) -> Iterator[Step]:
        keeping = self._keeping
        with keeping.store.reading() as connection:
            found = erasure.about(connection, person, now)
        held = {record.id for record in (*found.own, *found.others) if keeping.held(record, holds)}
        for record in found.own:
            step: dict[str, Any] = {"kind": "incident", "what": record.id, "title": record.title}
            if record.id in held:
                yield {**step, "removed": 0, "why": "held: a legal hold keeps it"}
            elif record.is_open:
                yield {**step, "removed": 0, "why": "open: close it, and ask again"}
            elif dry or keeping.remove_incidents([record.id], job):
                yield {**step, "removed": 1, "why": "removed with its timeline, decisions, alerts and evidence"}
            else:
                yield {**step, "removed": 0, "why": "not sealed yet: ask again in a minute"}
        if held:
            for record in found.others:
                if record.id in held:
                    yield {"kind": "incident", "what": record.id, "title": record.title, "removed": 0, "why": "held"}
            return
        yield from self._redacted(person, now, found, job, dry=dry)

    def _redacted(self, person: Person, now: float, found: About, job: Job, *, dry: bool) -> Iterator[Step]:
        keeping = self._keeping
        if not dry:
            rows = keeping.sealed(found.rows)
            keeping.remove_rows(rows, job)
            if found.evidence:
                keeping.note_evidence(found.evidence, job)
            with keeping.store.unit() as unit:
                why = f"removed by erasure on request on {rfc3339(now)[:10]}"
                removal.remove_evidence(unit.connection, found.evidence, why)
                erasure.redact(unit.connection, person, found.denials)
        for record in found.others:
            said = "about somebody else: the name is taken out, with the messages and archives that have it"
            yield {"kind": "incident", "what": record.id, "title": record.title, "removed": 1, "why": said}
        for id_ in found.standing:
            yield {"kind": "denial", "what": id_, "removed": 0, "why": "in force: lift it, and ask again"}


def concerns(event: AuditEvent, tenant: str | None, person: Person) -> bool:
    """Whether an event of a tenant is by a person or on their behalf."""
    if tenant != person.tenant:
        return False
    return person.name in (event.user, event.client, event.agent) or person.name in event.on_behalf_of


def _names(pattern: Any, text: bytes) -> bool:
    return pattern.search(text.decode("utf-8", "replace")) is not None
