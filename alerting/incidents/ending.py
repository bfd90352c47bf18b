"""Ending: an incident is over when its detectors know that everything in it is.

A detector that can know it names, in each finding, the **matter** that it will say the end of (`Finding.matter`), and
in `Finding.over` when that is. There are two ways, after Alertmanager's `endsAt`:

- It sees the end. A producer is silent: `matter="silence"`, `over=None`. It is heard again: a further finding of the
  same class, entity, tenant and matter, `severity="notice"`, `over` = `time` = when it was heard, with an id of its own
  (add a constant to the level). Such a finding tells nothing else: it opens and wakes nothing, and joins every open
  incident in which the matter stands.
- It would go on telling. Refusals of a lapsed credential are told for every window while they last:
  `matter="refusals"`, `over` = when the next one would have been told. Later findings move it on.

An incident that holds anything else (no matter, a class that must never be silent) waits for a person. What is over is
`resolved`, never closed: the verdict stays a person's, and a newer finding opens it again.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from alerting.incidents.family import NEVER_SILENT
from stream.finding import Finding

Lasting = Mapping[str, float | None]
"""By matter, when it is over in seconds; None while nobody knows."""

MATTERS: Final = 64
"""Matters of one incident that are kept; one with more waits for a person."""


def matter_of(finding: Finding) -> str | None:
    """What names the matter within an incident; None where a detector cannot know its end."""
    if not finding.matter or finding.class_ in NEVER_SILENT:
        return None
    entity = (part for item in sorted(finding.entity.items()) for part in item)
    text = "".join(f"{len(part)}:{part}" for part in (finding.detector, finding.class_, finding.matter, *entity))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def lasting(known: Lasting | None, findings: Iterable[Finding]) -> dict[str, float | None] | None:
    """The matters of an incident after findings joined it; None where one of them waits for a person.

    What is told later counts: a matter that was over stands again.
    """
    if known is None:
        return None
    matters = dict(known)
    for finding in findings:
        name = matter_of(finding)
        if name is None:
            return None
        matters[name] = finding.over
    return matters if len(matters) <= MATTERS else None


def over_at(matters: Lasting | None) -> float | None:
    """When all that an incident holds is over; None where that is not known."""
    if not matters:
        return None
    moments = [moment for moment in matters.values() if moment is not None]
    return max(moments) if len(moments) == len(matters) else None


def stands(matters: Lasting | None, finding: Finding) -> bool:
    """Whether a finding ends something that lasts in an incident."""
    name = matter_of(finding)
    if matters is None or name is None or name not in matters or finding.over is None:
        return False
    moment = matters[name]
    return moment is None or moment > finding.over
