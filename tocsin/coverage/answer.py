"""The answer to: was everything logged and looked at between two moments?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from detectors.telling import plural
from stream.coverage import SECONDS, Covered, Watched
from stream.facts import Facts
from tocsin.coverage.counting import NUMBERS
from tocsin.coverage.producers import Seen, beats, gaps_of, producers_in, silences
from tocsin.coverage.stretches import joined, without
from tocsin_audit.event import rfc3339

LOOK_BACK: Final = 86_400.0
"""Seconds before the first moment in which a producer must have been heard to be missed after it."""
LOOK_AHEAD: Final = 8 * 86_400.0
"""Seconds after the last moment in which what came late is looked for."""
SETTLED: Final = 2 * SECONDS
"""Seconds of detectors' silence at the end of a stretch that only say that it has just ended."""
STRANGERS: Final = frozenset({"400", "401", "403", "404", "405", "415", "address", "connections", "signature"})
"""Refusals of whole requests, which anybody may send: told, but no loss of a producer's events."""


class Ask(NamedTuple):
    """What is asked: from `since` to before `until` in seconds, of one producer or server or all.

    With `tenants` only what these may see is told. `known` is how far coverage was counted, on the log's clock, and
    `began` when that began: nothing was received before.
    """

    since: float
    until: float
    producer: str | None = None
    server: str | None = None
    tenants: frozenset[str] | None = None
    known: float = 0.0
    began: float = 0.0


def around(ask: Ask) -> tuple[float, float]:
    """The stretches whose records an answer needs: from the first to before the second."""
    return ask.since - LOOK_BACK, ask.until + LOOK_AHEAD


def answer(covered: Iterable[Covered], watched: Iterable[Watched], ask: Ask, facts: Facts) -> dict[str, Any]:
    """What the records come to; times as RFC 3339.

    `covered` are those `around` the question, `watched` those that overlap the stretch.
    """
    still: list[tuple[float, float]] = []
    dark: dict[str, list[tuple[float, float]]] = {}
    seen = producers_in(_noting(covered, dark), ask.until, still)
    told = [one for key in sorted(seen) if (one := _producer(seen[key], ask, facts)) is not None]
    unheard = _unheard(told, ask, facts)
    looked = list(watched)
    detectors = _detectors(looked, dark, ask)
    refused = _refused(looked)
    paused = [(max(begin, ask.since), min(end, ask.until)) for begin, end in joined(still)]
    paused = [(begin, end) for begin, end in paused if end > begin]
    why = [*_why_not_logged(told, unheard, refused if ask.tenants is None else {}, ask), *_paused(paused)]
    why_not_looked = _why_not_looked(detectors) if ask.began < min(ask.until, ask.known) or not ask.known else []
    reply: dict[str, Any] = {
        "from": rfc3339(ask.since),
        "to": rfc3339(ask.until),
        "counted_until": rfc3339(ask.known) if ask.known else None,
        "logged": not why,
        "looked_at": not why_not_looked,
        "why": [*why, *why_not_looked],
        "events": sum(one["received"] for one in told),
        "producers": told,
        "unheard": unheard,
        "stood_still": [_shown(*stretch) for stretch in paused],
        "detectors": detectors,
    }
    if ask.tenants is None:
        # What was refused names no tenant, and so is everybody's.
        reply["refused"] = refused
        reply["refused_from"] = _refused_from(looked)
    return reply


def _producer(seen: Seen, ask: Ask, facts: Facts) -> dict[str, Any] | None:
    """One producer as it may be told; None where it is not asked for, or another's."""
    inside = [counts for start, counts in sorted(seen.cells.items()) if start + SECONDS > ask.since]
    servers = sorted({server for counts in seen.cells.values() for server in counts.servers})
    if ask.producer not in (None, seen.producer) or (ask.server is not None and ask.server not in servers):
        return None
    tenants = {tenant for counts in seen.cells.values() for tenant in counts.tenants}
    shared = False
    if ask.tenants is not None:
        if not tenants & ask.tenants:
            return None
        shared = bool(tenants - ask.tenants) or any(counts.tenantless for counts in seen.cells.values())
    if shared and ask.tenants is not None:
        own = sum(count for one in inside for name, count in one.tenants.items() if name in ask.tenants)
        return {"producer": seen.producer, "shared": True, "received": own} if own else None
    gaps = gaps_of(seen, ask.since, ask.until)
    quiet = silences(seen, ask.since, min(ask.until, ask.known), facts)
    if not inside and not gaps and not quiet:
        return None
    return {
        "producer": seen.producer,
        "key": seen.source,
        "servers": servers,
        **{name: sum(getattr(counts, name) for counts in inside) for name in NUMBERS},
        "heartbeat_s": beats(inside),
        "missing": sum(gap["missing"] for gap in gaps),
        "filled": sum(gap["filled"] for gap in gaps),
        "gaps": gaps,
        "silent": quiet,
    }


def _unheard(told: list[dict[str, Any]], ask: Ask, facts: Facts) -> list[dict[str, str]]:
    """Producers that the inventory expects and that said nothing."""
    heard = {one["producer"] for one in told if one["received"]}
    return [
        {"producer": producer, "server": server.name}
        for server in facts.directory.servers
        if ask.tenants is None or server.tenant in ask.tenants
        for producer in server.producers
        if producer not in heard and ask.producer in (None, producer) and ask.server in (None, server.name)
    ]


def _noting(covered: Iterable[Covered], dark: dict[str, list[tuple[float, float]]]) -> Iterator[Covered]:
    """The same records, of which `dark` takes when a detector was shown nothing."""
    for record in covered:
        for name, since, until in record.shed:
            dark.setdefault(name, []).append((since, until))
        yield record


def _detectors(
    watched: Iterable[Watched], dark: Mapping[str, list[tuple[float, float]]], ask: Ask
) -> list[dict[str, Any]]:
    """By detector what it folded of the stretch, and what not; of what is not over yet nothing is expected."""
    stretches: dict[str, list[tuple[float, float]]] = {}
    versions: dict[str, str] = {}
    failed: dict[str, int] = {}
    modes: dict[str, dict[tuple[str, str], list[tuple[float, float]]]] = {}
    begin, end = max(ask.since, ask.began), min(ask.until, ask.known)
    for one in watched:
        for name, version in one.detectors.items():
            stretches.setdefault(name, []).append((one.since, one.until))
            versions[name] = version
        for mode in one.modes:
            if not mode.tenant or ask.tenants is None or mode.tenant in ask.tenants:
                own = modes.setdefault(mode.detector, {})
                own.setdefault((mode.tenant, mode.mode), []).append((one.since, one.until))
        for name in one.failed:
            failed[name] = failed.get(name, 0) + 1
    found = []
    for name in sorted(stretches):
        left = [
            (first, until)
            for first, until in without(begin, end, stretches[name])
            if until < ask.known - SETTLED or until - first > SETTLED
        ]
        shed = [
            (max(since, begin), min(until, end))
            for since, until in joined(dark.get(name, ()))
            if since < end and until > begin
        ]
        found.append(
            {
                "detector": name,
                "version": versions[name],
                "not_looked_at": [_shown(*one) for one in joined([*left, *shed])],
                "shed": [_shown(*one) for one in shed],
                "failed": failed.get(name, 0),
                "modes": _modes(modes.get(name, {}), begin, end),
            }
        )
    return found


def _modes(
    stretches: Mapping[tuple[str, str], list[tuple[float, float]]], begin: float, end: float
) -> list[dict[str, str]]:
    """What became of a detector's findings when, in order; a tenant's own where it differed."""
    cut = [
        (max(since, begin), min(until, end), tenant, mode)
        for (tenant, mode), found in stretches.items()
        for since, until in joined(found)
        if since < end and until > begin
    ]
    return [
        {"mode": mode, **({"tenant": tenant} if tenant else {}), **_shown(since, until)}
        for since, until, tenant, mode in sorted(cut)
    ]


def _refused(watched: Iterable[Watched]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in watched:
        for reason, count in one.refused.items():
            total[reason] = total.get(reason, 0) + count
    return dict(sorted(total.items()))


def _refused_from(watched: Iterable[Watched]) -> list[dict[str, Any]]:
    """What was refused of whom, by the collector key or input that the producers come in with."""
    total: dict[str, dict[str, int]] = {}
    for one in watched:
        for source, counts in one.sources.items():
            own = total.setdefault(source, {})
            for reason, count in counts.items():
                own[reason] = own.get(reason, 0) + count
    return [{"key": source, "refused": dict(sorted(counts.items()))} for source, counts in sorted(total.items())]


def _why_not_logged(
    told: list[dict[str, Any]], unheard: list[dict[str, str]], refused: Mapping[str, int], ask: Ask
) -> list[str]:
    why = []
    if not ask.known:
        why.append("nothing was counted yet")
    elif ask.until > ask.known:
        why.append(f"it is counted until {rfc3339(ask.known)} so far")
    missing = {one["producer"]: one["missing"] for one in told if one.get("missing")}
    if missing:
        why.append(f"{plural(sum(missing.values()), 'running number')} of {_named(missing)} never came")
    silent = [one["producer"] for one in told if any(not stretch["planned"] for stretch in one.get("silent", ()))]
    if silent:
        why.append(f"{_named(silent)} fell silent for a while")
    if unheard:
        why.append(f"nothing came from {_named([one['producer'] for one in unheard])}, which the inventory expects")
    lost = sum(count for reason, count in refused.items() if reason not in STRANGERS)
    if lost:
        why.append(f"{lost:,} lines or requests were refused" if lost > 1 else "1 line or request was refused")
    return why


def _paused(paused: list[tuple[float, float]]) -> list[str]:
    seconds = sum(end - begin for begin, end in paused)
    return [f"Tocsin itself did not listen for {seconds:,.0f} seconds"] if paused else []


def _why_not_looked(detectors: list[dict[str, Any]]) -> list[str]:
    if not detectors:
        return ["no detector is known to have looked"]
    why = []
    blind = [one["detector"] for one in detectors if one["not_looked_at"]]
    if blind:
        why.append(f"{_named(blind)} did not look at all of it")
    shed = [one["detector"] for one in detectors if one["shed"]]
    if shed:
        why.append(f"{_named(shed)} was left out for a while, since too much waited")
    failed = [one["detector"] for one in detectors if one["failed"]]
    if failed:
        why.append(f"{_named(failed)} failed on something")
    return why


def _named(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _shown(begin: float, end: float) -> dict[str, str]:
    return {"from": rfc3339(begin), "to": rfc3339(end)}
