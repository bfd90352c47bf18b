"""The drill: a marked finding of nobody, and what of its way to those who must hear of it can be seen in the store.

Nothing but an operator's word makes one: a finding never comes from a producer, and its class is no detector's.
"""

from collections.abc import Sequence
from typing import Any, Final

from alerting.incidents.family import family
from alerting.incidents.record import Record
from alerting.routing.route import Receiver, Routes, sinks_of
from stream.finding import Class, Finding, Severity, finding_id

NAME: Final = "drill"
"""Its class, its family, and the detector that is named as having seen it."""


def rehearsal(
    id_: str, class_: Class, *, severity: Severity, tenant: str | None, page: bool, by: str, at: float
) -> Finding:
    """The finding of a drill by somebody for a class, whose runbook it gets; `at` in seconds.

    Without `page` it is observed, so that nobody is woken. It is about the drill alone, so that it is an incident of
    its own, adds to nobody's risk and is linked to nothing.
    """
    entity = {"request_id": id_}
    of = "" if class_ == NAME else f" of {class_}"
    return Finding(
        id=finding_id(NAME, 1, NAME, entity, int(at // 60), 0, tenant),
        detector=NAME,
        version="1",
        class_="drill",
        entity=entity,
        tenant=tenant,
        severity=severity,
        mode="live" if page else "observe",
        title=f"DRILL: a rehearsal{of} that {by} asked for",
        observed="nothing: this is a drill, and nothing happened to anybody's data",
        expected="that everybody hears of it who would hear of the real thing",
        why=f"{by} tries out the way from a finding to those who must act on it",
        start=at,
        end=at,
        time=at,
        count=0,
        runbook=class_,
    )


def receivers_of(routes: Routes, record: Record) -> list[dict[str, Any]]:
    """Those who heard of a drill, with their sinks and pagers."""
    return [_receiver(one) for one in routes.receivers if one.name in record.heard]


def would_hear(routes: Routes, class_: Class, severity: Severity, tenant: str | None, at: float) -> list[str]:
    """The receivers of a real incident of a class at a moment of the log's clock, in seconds."""
    have: dict[str, Sequence[str]] = {"class": (class_,), "severity": (severity,), "family": (family(class_),)}
    if tenant is not None:
        have["tenant"] = (tenant,)
    chosen = dict.fromkeys(step.route.receiver for step in routes.explain(have, at) if step.chosen)
    return list(chosen) or [routes.receivers[0].name]


def told_of(routes: Routes, record: Record, *, page: bool) -> dict[str, list[str]]:
    """By sink, the receivers for whom it tells that a drill began; with `page` those that wake people, too."""
    found: dict[str, list[str]] = {}
    for one in routes.receivers:
        if one.name in record.heard:
            for sink in sinks_of(one, "opened", page=page, paged=False, ended=False):
                found.setdefault(sink, []).append(one.name)
    return found


def _receiver(one: Receiver) -> dict[str, Any]:
    return {"receiver": one.name, "sinks": list(one.sinks), "pagers": list(one.pagers)}
