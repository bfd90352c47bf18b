"""Trying inspection on a sample or a labelled corpus: what it sees, how often it is wrong, what it misses."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.format import Format
from collector.inspection.carried import carried
from collector.inspection.content import Content
from collector.inspection.inspector import Inspector, Seen
from stream.errors import UNREADABLE, RejectedError
from tocsin.trials.formats import try_file
from tocsin_audit.event import AuditEvent

NAMES: Final = ("events.ndjson", "events.ndjson.gz", "events.ndjson.zst")
TRUTH: Final = "truth.json"
TOLD: Final = ("pii", "address")
"""Families that say what kind of content it is, not that something is wrong with it."""


@dataclass(slots=True)
class Look:
    """One event with content or a resource's URI, and what was seen of it."""

    event: AuditEvent
    seen: tuple[Seen, ...]
    signals: tuple[str, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The signals that say that something is wrong."""
        return tuple(signal for signal in self.signals if signal.partition(":")[0] not in TOLD)


class Incident(msgspec.Struct):
    """What inspection needs of an incident or a decoy of a corpus."""

    id: str
    event_ids: list[str] = []
    cls: str = msgspec.field(default="", name="class")
    entity: dict[str, Any] = {}


class Truth(msgspec.Struct):
    """A corpus's `truth.json`."""

    incidents: list[Incident] = []
    decoys: list[Incident] = []


@dataclass(slots=True)
class Score:
    """How inspection did on what is labelled: of each class how many incidents showed, and what showed in the rest."""

    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    benign: int = 0
    flagged: list[str] = field(default_factory=list)

    @property
    def false_rate(self) -> float:
        """The share of benign events in which something seemed wrong."""
        return len(self.flagged) / self.benign if self.benign else 0.0


@dataclass(slots=True)
class Inspected:
    """What came of a sample."""

    events: int
    looks: list[Look]
    refused: int
    score: Score | None = None

    @property
    def counts(self) -> Counter[str]:
        """How many events show each signal."""
        return Counter(name for look in self.looks for name in {seen.signal for seen in look.seen})


def inspect_file(path: Path, form: Format, inspector: Inspector) -> Inspected:
    """Inspect a sample, or a corpus folder with its labels. Raises RejectedError where it cannot be read."""
    file = path
    if path.is_dir():
        found = [path / name for name in NAMES if (path / name).is_file()]
        if not found:
            raise RejectedError("there are no events", where=str(path), hint="a corpus has events.ndjson")
        file = found[0]
    trial = try_file(file, form)
    events = trial.events
    looks = [look for event in events if (look := look_at(event, inspector)) is not None]
    made = Inspected(len(events), looks, sum(each.error is not None for each in trial.tried))
    truth = path / TRUTH
    if path.is_dir() and truth.is_file():
        try:
            labels = msgspec.json.decode(truth.read_bytes(), type=Truth)
        except UNREADABLE as error:
            hint = "see docs/evaluation.md"
            raise RejectedError(f"is no truth.json ({error})", where=str(truth), hint=hint) from error
        made.score = score(looks, labels)
    return made


def look_at(event: AuditEvent, inspector: Inspector) -> Look | None:
    """What is seen of one event; None where it carries nothing to look at."""
    held = carried(event.ext) if event.ext else None
    uri = event.target if event.method == "resources/read" else None
    if held is None and uri is None:
        return None
    found = inspector.inspect(held.content if held is not None else Content())
    return Look(event, found.seen, found.signals + (inspector.target(uri) if uri is not None else ()))


def score(looks: list[Look], truth: Truth) -> Score:
    """How many incidents showed, by class, and which benign events did; benign are those of no incident's session."""
    by_id = {look.event.id: look for look in looks}
    made = Score()
    sessions = set()
    for incident in truth.incidents:
        shown = any(by_id[each].wrong for each in incident.event_ids if each in by_id)
        hit, total = made.classes.get(incident.cls, (0, 0))
        made.classes[incident.cls] = (hit + shown, total + 1)
        sessions.add(incident.entity.get("session"))
        if not shown:
            made.missed.append(incident.id)
    bad = {each for incident in truth.incidents for each in incident.event_ids}
    for look in looks:
        if look.event.id in bad or (look.event.session is not None and look.event.session in sessions):
            continue
        made.benign += 1
        if look.wrong:
            made.flagged.append(look.event.id or "?")
    return made
