"""Containment that was approved beforehand: wanted where a finding is decided, done once its events say whom."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

from sqlalchemy import insert, select, update

from alerting.database.schema import FINDINGS, WANTED
from alerting.database.store import Store
from alerting.deciding.decide import Decision
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.response.containment import PRINCIPAL, Approval, Containment
from alerting.unit import Unit
from stream.control import Deny
from stream.finding import DECODER, Finding
from tocsin_audit.event import AuditEvent


class Events(Protocol):
    """Finds the events that a finding names."""

    def __call__(self, finding: Finding) -> Sequence[AuditEvent]:
        """Those that are still there."""
        ...


def want(unit: Unit, record: Record, finding: Finding, decision: Decision, rules: Containment, clock: float) -> None:
    """Remember that a live finding asks for containment, once for each opening, class and entity."""
    place = rules.approval(finding.class_)
    if place is None or not decision.live or decision.reason in ("silenced", "excepted", "inhibited", "repeated"):
        return
    words = [record.id, str(record.opening), finding.class_, *(f"{k}={v}" for k, v in sorted(finding.entity.items()))]
    id_ = blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    if unit.connection.execute(select(WANTED.c.id).where(WANTED.c.id == id_)).one_or_none() is not None:
        return
    row = {"id": id_, "incident": record.id, "finding": finding.id, "rule": place, "at": clock, "done": False}
    unit.connection.execute(insert(WANTED), row)


def choose(finding: Finding, events: Sequence[AuditEvent], approval: Approval) -> tuple[tuple[str, str], str] | None:
    """The first subject that an approval allows and all evidence agrees on, with how far its identity is known.

    A principal counts only where every event names it as verified, so that nobody is cut off because somebody named
    them.
    """
    for key in approval.deny:
        values = {value for event in events if (value := getattr(event, key, None)) is not None}
        if not values and key in finding.entity:
            values = {finding.entity[key]}
        if not values:
            values = set(finding.facts.get(key, ()))
        if len(values) != 1:
            continue
        identity = "verified" if events and all(event.identity == "verified" for event in events) else ""
        if key in PRINCIPAL and identity != "verified":
            continue
        return (key, values.pop()), identity
    return None


class Automatic:
    """Carries out what was approved beforehand; a crash does it again under the same id, which changes nothing.

    `act` brings an operator's act into the stream of findings and returns when it is durable.
    """

    def __init__(self, store: Store, rules: Containment, events: Events, act: Callable[[Deny], None]) -> None:
        self._store = store
        self._rules = rules
        self._events = events
        self._act = act

    def turn(self, now: float) -> int:
        """Do what waits; how much that was. `now` is the wall clock in seconds."""
        if not self._rules.approvals:
            return 0
        joined = select(WANTED, FINDINGS.c.body).join_from(WANTED, FINDINGS, FINDINGS.c.finding == WANTED.c.finding)
        with self._store.reading() as connection:
            waiting = connection.execute(joined.where(WANTED.c.done.is_(False)).order_by(WANTED.c.at).limit(20))
            rows = [dict(row) for row in waiting.mappings()]
        for row in rows:
            self._one(row, now)
        return len(rows)

    def _one(self, row: Mapping[str, object], now: float) -> None:
        finding = DECODER.decode(str(row["body"]))
        place = self._rules.approval(finding.class_)
        id_ = str(row["id"])
        if place is None:
            return self._end(id_, str(row["incident"]), "")
        approval = self._rules.approvals[place]
        chosen = choose(finding, self._events(finding), approval)
        if chosen is None:
            wanted = ", ".join(approval.deny)
            return self._end(
                id_, str(row["incident"]), f"not refused: the events of {finding.class_} name no one {wanted} for sure"
            )
        (key, value), identity = chosen
        if approval.dry_run:
            then = f", then {', '.join(name for name, _ in approval.actions)}" if approval.actions else ""
            words = f"dry run: would be refused for {approval.seconds / 60:.0f} min: {key}={value}{then}"
            return self._end(id_, str(row["incident"]), words)
        self._act(
            Deny(
                id=id_,
                subject=((key, value),),
                until=now + approval.seconds,
                incident=str(row["incident"]),
                by="tocsin",
                at=now,
                why=f"approved beforehand for {finding.class_}",
                identity=identity,
                automatic=finding.class_,
            )
        )
        return self._end(id_, str(row["incident"]), "")

    def _end(self, id_: str, incident: str, words: str) -> None:
        with self._store.unit() as unit:
            unit.connection.execute(update(WANTED).where(WANTED.c.id == id_).values(done=True))
            record = unit.record(incident)
            if words and record is not None:
                unit.add_timeline(record, record.updated, "contained", "contained", "tocsin", harmless(words, 2000))


def facts_only(_: Finding) -> Sequence[AuditEvent]:
    """For a log that cannot be searched: no events, so that what the finding says is all there is."""
    return ()


def verified(events: Sequence[AuditEvent], subject: Mapping[str, str]) -> str:
    """How events name a subject: `verified` where all that name it do, `claimed` where one does not, or unknown."""
    naming = [event for event in events if all(getattr(event, key, None) == value for key, value in subject.items())]
    if not naming:
        return ""
    return "verified" if all(event.identity == "verified" for event in naming) else "claimed"
