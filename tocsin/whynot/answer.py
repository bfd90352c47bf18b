"""The answer: everything there is to say about one event, as one document for people and machines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from alerting.database.store import Store
from alerting.deciding.fates import fates
from detectors.base import Measure
from detectors.engine.warmup import Standing
from detectors.engine.witness import View, Witness
from stream.finding import DECODER, Finding, public
from stream.frame import unpack
from stream.log import FINDINGS
from stream.sqlite import SqliteLog
from tocsin.search import shown
from tocsin.whynot.place import Place, Progress, find
from tocsin.whynot.replay import Replay, replay
from tocsin_audit.event import AuditEvent, rfc3339

AHEAD: Final = 8 * 86_400.0
"""Seconds after an event within which a finding may end that it belongs to: the longest window and its lateness."""
FINDINGS_SHOWN: Final = 100
BEGAN: Final = {
    "snapshot": "from the last snapshot",
    "start": "from the beginning of the log",
    "retained": "from the oldest frame that retention left: counters and warm-up may stand too low",
}


def why_not(
    log: SqliteLog,
    store: Store,
    engine: Callable[[], Witness],
    id_: str,
    *,
    end: int,
    progress: Progress,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Find an event among the frames before `end`, replay up to it, and say all of it.

    Raises RejectedError where the log does not hold it, DamagedError where a frame on the way cannot be read.
    """
    places = find(log, end, id_, progress)
    place = places[0]
    told = replay(log, engine, place, end, progress, pause)
    findings = _findings(log, store, place, told)
    views = _views(told)
    return {
        "event": _event(place),
        "places": [_where(one) for one in places],
        "judged": list(_judged(place, told)),
        "detectors": views,
        "findings": findings,
        "verdict": _verdict(told, views, findings),
        "replay": {
            "began": told.began,
            "said": BEGAN[told.began],
            "frames": told.frames,
            "events": told.events,
            "until": rfc3339(told.until) if told.until is not None else None,
        },
    }


def _event(place: Place) -> dict[str, Any]:
    line = unpack(place.record.frame).split(b"\n")[place.line]
    return shown(place.event, line)


def _where(place: Place) -> dict[str, Any]:
    header = place.record.frame.header
    return {
        "frame": place.record.offset,
        "line": place.line + 1,
        "of": header.count,
        "received": rfc3339(header.received),
        "source": header.source,
        "imported": header.imported,
    }


def _judged(place: Place, told: Replay) -> Iterator[str]:
    event, account = place.event, told.account
    late = event.received - event.time
    if place.record.frame.header.imported:
        yield "imported history: what it shows is observed at most"
    if event.late:
        yield f"late by {late:.0f} s: it counts while its cells are held, but nothing is learned from it"
    if event.skewed:
        yield "skewed: its own time lay in the future, so that it got the time of receipt"
    if account.duplicate:
        yield "duplicate: it was counted before, so that no detector was asked again"
    if account.denied:
        yield "a denial by our own deny list: it feeds no counter"
    if account.sampled:
        yield f"from a source that is sampled ({event.sample_rate:g}): it feeds no counts"
    if account.tenant is None:
        yield "the caller's tenant is unknown: what it may touch cannot be judged, which is reported as a gap"
    elif account.tenant != event.tenant:
        yield f"the caller's tenant is {account.tenant} by the directory"
    if event.bytes_quality in ("capped", "absent"):
        yield f"its size is {event.bytes_quality}: bytes are a lower bound"
    yield f"taken as: {', '.join(account.marks) or 'nothing that a detector counts'}"


def _views(told: Replay) -> list[dict[str, Any]]:
    later = {_key(view): view for view in told.later}
    grouped: dict[str, dict[str, Any]] = {}
    for view in told.account.views:
        detector = grouped.setdefault(view.detector, {"detector": view.detector, "warm_up": [], "entities": []})
        after = (
            {(measure.what, measure.window): measure for measure in later[_key(view)].measures}
            if _key(view) in later
            else {}
        )
        detector["entities"].append(
            {
                "kind": view.kind,
                "entity": dict(view.entity.names) if view.entity is not None else None,
                "tenant": view.entity.tenant if view.entity is not None else None,
                "stepped": not view.why,
                "why": view.why,
                "measures": [_measure(one, after.get((one.what, one.window))) for one in view.measures],
            }
        )
        # Volume is promoted by the principal's own past, all else alike for every kind.
        if view.kind == "principal" or not detector["warm_up"]:
            detector["warm_up"] = [_standing(one) for one in view.standings] or detector["warm_up"]
    return [grouped[name] for name in sorted(grouped)]


def _key(view: View) -> tuple[str, str, str | None]:
    return view.detector, view.kind, view.entity.key if view.entity is not None else None


def _measure(measure: Measure, later: Measure | None) -> dict[str, Any]:
    record = {key: value for key, value in measure._asdict().items() if value not in (None, "")}
    if later is not None and later.observed > measure.observed:
        record["later"] = later.observed
    return record


def _standing(standing: Standing) -> dict[str, Any]:
    evidence = [[_measure(one, None) for one in alternative] for alternative in standing.evidence]
    return {"class": standing.class_, "mode": standing.mode, "by": standing.by, "evidence": evidence}


def _findings(log: SqliteLog, store: Store, place: Place, told: Replay) -> list[dict[str, Any]]:
    event = place.event
    at_once = {finding.id: finding for finding in told.account.findings}
    names = {event.id, f"{event.producer or ''}/{event.run or ''}/{event.seq}"}
    stepped = [view for view in told.account.views if not view.why]
    related: dict[str, tuple[Finding, str]] = {}
    for finding in _stored(log, event):
        if finding.id in at_once:
            related[finding.id] = (finding, "decided by this event")
        elif names & {*finding.event_ids}:
            related[finding.id] = (finding, "names this event as evidence")
        elif finding.start <= event.time <= finding.end and any(_about(finding, view) for view in stepped):
            related.setdefault(finding.id, (finding, "covers this event"))
        if len(related) >= FINDINGS_SHOWN:
            break
    for finding in told.account.findings:
        related.setdefault(finding.id, (finding, "decided by this event, but told before or not stored"))
    decided = fates(store, list(related))
    return [
        {**public(finding), "relation": relation, "decisions": decided.get(finding.id, [])}
        for finding, relation in related.values()
    ]


def _stored(log: SqliteLog, event: AuditEvent) -> Iterable[Finding]:
    for record in log.within(FINDINGS, event.time, event.time + AHEAD):
        if record.frame.header.content == "findings":
            for line in unpack(record.frame).split(b"\n"):
                yield DECODER.decode(line)


def _about(finding: Finding, view: View) -> bool:
    return (
        view.entity is not None
        and finding.detector == view.detector
        and finding.tenant in (view.entity.tenant, None)
        and view.entity.names.items() <= finding.entity.items()
    )


def _verdict(told: Replay, views: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The answer in a sentence or two: who was told, or what stood closest to being told."""
    if findings:
        return [*_outcomes(findings)]
    if told.account.duplicate or told.account.denied:
        return ["Nothing was found, since it was not counted: see how it was judged."]
    nearest = sorted(_nearness(views), key=lambda near: -near[0])[:3]
    if not nearest:
        return ["Nothing was found: no detector counts such an event against a bound."]
    after = "" if told.until is None else " (two hours later where more)"
    return [f"Nothing was found. Closest to being told{after}:", *(text for _, text in nearest)]


def _outcomes(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for finding in findings:
        who = ", ".join(str(value) for value in finding["entity"].values())
        what = f"{finding['class']} ({finding['severity']}, {finding['mode']}) about {who}"
        decisions = finding["decisions"]
        if not decisions:
            yield f"{what}: found, and no decision is recorded yet."
        for decision in decisions[-1:]:
            detail = f" ({decision['detail']})" if decision["detail"] else ""
            page = f", in page {decision['page_id']}" if decision["page_id"] else ""
            held = f", waiting for {decision['held_for']}'s bundle" if "held_for" in decision else ""
            yield f"{what}: {decision['said']}{detail}; incident {decision['incident'][:12]}{page}{held}."


def _nearness(views: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    for view in views:
        for entity in view["entities"]:
            for measure in entity["measures"]:
                bound = measure.get("bound")
                most = measure.get("later", measure["observed"])
                if bound and most:
                    who = ", ".join((entity["entity"] or {}).values())
                    yield most / bound, f"{view['detector']}, {who}: {spoken(measure)}"


def spoken(measure: Mapping[str, Any]) -> str:
    """A measure in words."""
    bound = f" of {_number(measure['bound'])}" if "bound" in measure else ""
    later = f", {_number(measure['later'])} later" if "later" in measure else ""
    window = f" in {_span(measure['window'])}" if measure.get("window") else ""
    note = f" ({measure['note']})" if measure.get("note") else ""
    unit = f" {measure['unit']}" if measure.get("unit") else ""
    return f"{measure['what']}{window}: {_number(measure['observed'])}{bound}{unit}{later}{note}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.1f}"


def _span(seconds: float) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{int(seconds // unit)} {name}"
    return f"{seconds:g} s"
