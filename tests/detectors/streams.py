"""Synthetic streams for the tests of detectors: events, the frames they arrive in, and what detectors make of them.

    findings = run([FailedAuth()], frames([event(t, outcome="auth_invalid", user="u") for t in range(30)]))

Times are seconds after `START`, a Monday midnight UTC.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, Final

import msgspec

from detectors.base import AnyDetector
from detectors.engine.engine import Engine
from stream.clock import judge
from stream.control import ENCODER, Control, DirectoryVersion
from stream.directory import EMPTY, Directory, from_builtins
from stream.finding import Finding
from stream.frame import LIMIT, Frame, Header, Record, pack
from tocsin_audit.event import AuditEvent, to_wire

START: Final = 1_793_577_600.0
"""2026-11-02T00:00:00Z."""
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0

_RUNNING = count()


def event(t: float, **fields: Any) -> AuditEvent:
    """An event at `START + t`: a successful tools/call of tenant `acme` on server `crm`, but for the fields given."""
    settings: dict[str, Any] = {
        "id": f"e{next(_RUNNING)}",
        "server": "crm",
        "producer": "p1",
        "tenant": "acme",
        "outcome": "ok",
        "auth": "valid",
    }
    if fields.get("kind", "request") == "request":
        settings["method"] = "tools/call"
    return AuditEvent(time=START + t, **(settings | fields))


def failure(t: float, **fields: Any) -> AuditEvent:
    """A request whose credentials were rejected."""
    return event(t, **({"outcome": "auth_invalid", "auth": "invalid", "reason": "bad signature"} | fields))


def read(t: float, **fields: Any) -> AuditEvent:
    """A resource that was read."""
    return event(t, **({"method": "resources/read", "target": "crm://acme/1"} | fields))


def frames(
    events: Iterable[AuditEvent],
    arrival: Callable[[AuditEvent], float] | Sequence[float] | None = None,
    *,
    offset: int = 0,
    source: str = "test",
    imported: bool = False,
) -> list[Record]:
    """The frames in which events reach the log, with `late` and `skewed` judged as at receipt.

    `arrival` gives each event's moment of receipt in seconds after `START` (a function of the event, or one number for
    each); without it events arrive at their own time. A frame ends at 500 lines or one second.
    """
    listed = list(events)
    if arrival is None:
        moments = [one.time for one in listed]
    elif callable(arrival):
        moments = [START + arrival(one) for one in listed]
    else:
        moments = [START + moment for moment in arrival]
    order = sorted(range(len(listed)), key=lambda index: (moments[index], index))
    records: list[Record] = []
    batch: list[AuditEvent] = []
    received = 0.0
    for index in order:
        if batch and (len(batch) == LIMIT or moments[index] >= received + 1.0):
            records.append(Record(offset + len(records), _frame(batch, received, source, imported)))
            batch = []
        if not batch:
            received = moments[index]
        batch.append(listed[index])
    if batch:
        records.append(Record(offset + len(records), _frame(batch, received, source, imported)))
    return records


def tick(t: float, offset: int = 0) -> Record:
    """The frame of an idle partition: time passes."""
    return Record(offset, Frame(Header(received=START + t, content="tick", codec="none"), b""))


def control(t: float, record: Control, offset: int = 0) -> Record:
    """A control record."""
    return Record(offset, pack(Header(received=START + t, content="control", count=1), ENCODER.encode(record)))


def directory(t: float, tree: dict[str, Any] | Directory, offset: int = 0) -> Record:
    """A version of the directory, as its YAML would say it."""
    made = tree if isinstance(tree, Directory) else from_builtins(tree)
    return control(t, DirectoryVersion(made, "test"), offset)


def run(
    detectors: Iterable[AnyDetector],
    records: Iterable[Record],
    *,
    facts: dict[str, Any] | Directory = EMPTY,
    settle: bool = True,
    engine: Engine | None = None,
) -> list[Finding]:
    """What detectors make of frames: every finding the engine lets through, in order.

    `facts` is the directory from the start. With `settle`, time goes on after the last frame until all cells closed.
    """
    engine = engine or Engine(list(detectors))
    found: list[Finding] = []
    listed = list(records)
    if facts is not EMPTY:
        first = listed[0].frame.header.received - START if listed else 0.0
        found += engine.fold(directory(first, facts))
    for record in listed:
        found += engine.fold(record)
    if settle:
        found += finish(engine)
    return found


def finish(engine: Engine) -> list[Finding]:
    """Let time pass, in ticks of the log, until every cell that was touched has been settled."""
    found: list[Finding] = []
    clock = engine.clock - START
    for ahead in (*range(130, 4000, 300), *range(4000, int(2 * DAY), 3600)):
        found += engine.fold(tick(clock + ahead))
        while engine.backlog:
            found += engine.fold(tick(clock + ahead))
    return found


def told(findings: Iterable[Finding]) -> set[tuple[str, str, str]]:
    """What two runs must agree on: (id, class, severity)."""
    return {(finding.id, finding.class_, finding.severity) for finding in findings}


def classes(findings: Iterable[Finding]) -> set[str]:
    """The classes that were found."""
    return {finding.class_ for finding in findings}


def clone(one: AuditEvent, **fields: Any) -> AuditEvent:
    """The same event with other fields."""
    return msgspec.structs.replace(one, **fields)


def _frame(events: list[AuditEvent], received: float, source: str, imported: bool) -> Frame:
    header = Header(
        received=received,
        count=len(events),
        source=source,
        imported=imported,
        **judge([one.time for one in events], received)._asdict(),
    )
    return pack(header, b"\n".join(to_wire(one) for one in events))
