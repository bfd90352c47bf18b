"""The scope of an incident: which data, whose, how much, since when, and who else used the same token, tool, source."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from alerting.incidents.record import Record
from alerting.response.evidence import subject_of, touches
from alerting.response.lookup import Progress, Searchable, look
from stream.directory import Directory
from stream.finding import Finding
from tocsin_audit.event import AuditEvent, rfc3339

BACK: Final = 24 * 3600.0
"""Seconds before the first finding from which on the scope is looked for."""
EVENTS: Final = 200_000
NAMED: Final = 50
"""Values of one kind in a report, the most frequent."""
_SHARED: Final = ("token", "source_ip", "target")
_CALLER: Final = ("user", "client", "agent")


class Tally:
    """What the events of a caller came to."""

    def __init__(self) -> None:
        self.events = self.accepted = self.refused = self.rows = self.bytes = 0
        self.first: float | None = None
        self.last: float | None = None
        self.last_accepted: float | None = None
        self.seen: dict[str, Counter[str]] = {
            name: Counter()
            for name in ("server", "target", "tenants", "data_classes", "token", "source_ip", "client", "outcome")
        }

    def add(self, event: AuditEvent, data: Sequence[str]) -> None:
        """Count one event; `data` are the classes of data that its server is known to hold."""
        self.events += 1
        self.first = event.time if self.first is None else min(self.first, event.time)
        self.last = event.time if self.last is None else max(self.last, event.time)
        if event.outcome == "ok":
            self.accepted += 1
            self.last_accepted = max(self.last_accepted or 0.0, event.time)
            self.rows += event.rows or 0
            self.bytes += event.response_bytes or 0
            self.seen["tenants"].update(event.resource_tenants or ())
            self.seen["data_classes"].update(event.data_classes or data)
        elif (event.reason or "").startswith("tocsin.denied:"):
            self.refused += 1
        for name in ("server", "target", "token", "source_ip", "client", "outcome"):
            if (value := getattr(event, name)) is not None:
                self.seen[name][value] += 1


def scope(
    log: Searchable,
    record: Record,
    findings: Sequence[Finding],
    directory: Directory,
    now: float,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Search the log for what an incident touched; times in seconds, `now` is the end.

    First what those did whom it is about, then who else used the same token, source or tool.
    """
    about = subject_of(record)
    since = min((finding.start for finding in findings), default=record.began) - BACK
    data = {server.name: server.data for server in directory.servers}
    tally, others = Tally(), {name: dict[str, Counter[str]]() for name in _SHARED}
    told = progress or (lambda _frames, _received: None)
    own = look(log, lambda event: touches(event, about), since, now, most=EVENTS, progress=told)
    for found in own.found:
        tally.add(found.event, data.get(found.event.server or "", ()))
    shared = {name: {value for value, _ in tally.seen[name].most_common(NAMED)} for name in _SHARED}

    def meets(event: AuditEvent) -> bool:
        if not touches(event, about):
            who = next((f"{key} {value}" for key in _CALLER if (value := getattr(event, key))), "unknown")
            for name in _SHARED:
                if (value := getattr(event, name)) in shared[name]:
                    others[name].setdefault(value, Counter())[who] += 1
        return False

    rest = look(log, meets, since, now, most=1, progress=lambda at, received: told(own.frames + at, received))
    return {
        "incident": record.id,
        "about": dict(about),
        "since": rfc3339(since),
        "until": rfc3339(now),
        "complete": not (own.cut or rest.cut),
        "frames": own.frames + rest.frames,
        "first": _moment(tally.first),
        "last": _moment(tally.last),
        "last_accepted": _moment(tally.last_accepted),
        "events": tally.events,
        "accepted": tally.accepted,
        "refused_by_denial": tally.refused,
        "rows": tally.rows,
        "bytes": tally.bytes,
        "touched": {name: dict(seen.most_common(NAMED)) for name, seen in tally.seen.items() if seen},
        "tenant": record.tenant,
        "others": {
            name: {
                value: dict(counts.most_common(10))
                for value, counts in sorted(values.items(), key=lambda item: -sum(item[1].values()))[:NAMED]
            }
            for name, values in others.items()
            if values
        },
    }


def covers(subject: Sequence[tuple[str, str]], event: AuditEvent) -> bool:
    """Whether a denial of a subject is about a call, as middleware takes it: beside other facts, a tenant that nobody
    knows does not stand against.
    """
    known = [fact for fact in subject if fact[0] != "tenant" or event.tenant is not None or len(subject) == 1]
    return touches(event, known)


def last_accepted(log: Searchable, its: Callable[[AuditEvent], bool], since: float, now: float) -> float | None:
    """When one of a subject's calls was last accepted since a moment; None where none was, so that it stopped."""
    hits = look(log, lambda event: event.outcome == "ok" and its(event), since, now, most=1, frames=2_000)
    return hits.found[0].event.time if hits.found else None


def _moment(at: float | None) -> str | None:
    return rfc3339(at) if at is not None else None
