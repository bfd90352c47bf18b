"""The finding: what a detector noticed, with the numbers and the evidence for it."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

import msgspec

from tocsin_audit.event import rfc3339

Class = Literal[
    "brute",
    "spray",
    "stuffing",
    "success_after",
    "token_replay",
    "retry_storm",
    "outage",
    "unauthenticated",
    "scope_probing",
    "enumeration",
    "volume_burst",
    "volume_slow",
    "cross_tenant_read",
    "cross_tenant_denied",
    "cross_tenant_handle",
    "cross_tenant_leak",
    "canary",
    "mixup",
    "outlier",
    "policy",
    "tool_drift",
    "tool_poisoning",
    "injection",
    "toxic_flow",
    "secret_exposure",
    "path_traversal",
    "privilege_change",
    "config_change",
    "token_hygiene",
    "novelty",
    "rate_abuse",
    "audit_gap",
    "sigma",
    "drill",
]
Severity = Literal["notice", "low", "medium", "high", "critical"]
Mode = Literal["shadow", "observe", "live"]

CLASSES: Final[tuple[Class, ...]] = get_args(Class)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
EVIDENCE: Final = 20
"""Event ids that a finding names at most; `count` says how many there were."""


class Finding(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """One thing noticed about one entity.

    Times are seconds since the epoch here and RFC 3339 UTC in `public`. `id`, `class_`, `entity` and `severity` never
    depend on the order in which events arrived; texts, evidence and times may.

    A detector that can know when something is over names what it would end in `matter` (`silence`, `refusals`), and in
    `over` when it is: after `time` where it would have said it again had it gone on, and up to `time` in a finding that
    says nothing but that (`ends`). Where it cannot know, `matter` is empty, and a person says so.

    `start` is where the window begins that the id is aligned to, `first` the event time of the first event in it.
    """

    id: str
    detector: str
    version: str
    class_: Class = msgspec.field(name="class")
    entity: dict[str, str]
    tenant: str | None = None
    severity: Severity
    mode: Mode = "live"
    confidence: float = 1.0
    score: int = 0
    title: str
    observed: str = ""
    expected: str = ""
    why: str = ""
    start: float
    end: float
    time: float
    event_ids: tuple[str, ...] = ()
    count: int = 1
    techniques: tuple[str, ...] = ()
    runbook: str = ""
    facts: dict[str, tuple[str, ...]] = {}
    matter: str = ""
    over: float | None = None
    first: float | None = None


def began(finding: Finding) -> float:
    """When the first of its events happened; the beginning of its window where its detector does not know that."""
    return finding.start if finding.first is None else finding.first


def ends(finding: Finding) -> bool:
    """Whether a finding says nothing but that what its detector had found is over."""
    return finding.over is not None and finding.over <= finding.time


def finding_id(
    detector: str, major: int, class_: str, entity: Mapping[str, str], cell: int, level: int, tenant: str | None
) -> str:
    """The id that every order of arrival gives: detector, major version, class, entity, window-aligned cell, level."""
    parts = [detector, str(major), class_, str(cell), str(level), tenant or "\0"]
    for key in sorted(entity):
        parts += (key, entity[key])
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def evidence(ids: Iterable[str]) -> tuple[str, ...]:
    """The first event ids in sorted order, as many as a finding names."""
    return tuple(sorted(set(ids))[:EVIDENCE])


def public(finding: Finding) -> dict[str, Any]:
    """The finding as others see it: every field, `class`, times as RFC 3339 UTC."""
    names = zip(Finding.__struct_fields__, Finding.__struct_encode_fields__, strict=True)
    record: dict[str, Any] = {shown: msgspec.to_builtins(getattr(finding, name)) for name, shown in names}
    for key in ("start", "end", "time", "over", "first"):
        if record[key] is not None:
            record[key] = rfc3339(record[key])
    return record


def at_least(severity: Severity, floor: Severity) -> bool:
    """Whether a severity is the floor or above it."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(floor)


DECODER: Final = msgspec.json.Decoder(Finding)
ENCODER: Final = msgspec.json.Encoder()
