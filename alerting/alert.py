"""The alert: one message about one change of one incident."""

from typing import Final, Literal, get_args

import msgspec

from stream.finding import Class, Finding, Severity

Status = Literal["open", "acknowledged", "contained", "resolved", "closed"]
Change = Literal[
    "opened",
    "joined",
    "escalated",
    "reopened",
    "acknowledged",
    "contained",
    "resolved",
    "closed",
    "noted",
    "late",
    "bundle",
    "digest",
]
Reason = Literal[
    "new",
    "joined",
    "escalated",
    "reopened",
    "repeated",
    "silenced",
    "excepted",
    "inhibited",
    "grouped",
    "over_budget",
    "observed_only",
    "below_page",
    "acknowledged",
    "contained",
    "resolved",
    "closed",
    "noted",
    "late",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An incident as it stood at one revision; times are seconds since the epoch of the log's clock.

    `id` is the incident key (a pure function of a finding, CONTRACTS §4), `opening` counts how often it was opened, and
    `revision` every change. `entity` is what it is about; `facts` are further values seen in its findings.
    """

    id: str
    opening: int
    revision: int
    tenant: str | None
    family: str
    classes: tuple[Class, ...]
    severity: Severity
    status: Status
    title: str
    entity: dict[str, str]
    opened: float
    updated: float
    findings: int
    events: int
    runbook: str
    facts: dict[str, tuple[str, ...]] = {}
    acknowledged_by: str | None = None
    verdict: str | None = None

    @property
    def dedup_key(self) -> str:
        """What ties a page's trigger, acknowledgement and resolution together."""
        return f"tocsin:{self.id}:{self.opening}"


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sink is given: the incident after the change, the findings that made it, and whether a person is woken.

    `id` is incident id and revision, the same in every attempt. `time` is the log's clock at the decision. `note` is
    what whoever made the change said of it.
    """

    id: str
    time: float
    change: Change
    reason: Reason
    page: bool
    incident: Incident
    findings: tuple[Finding, ...] = ()
    text: str = ""
    note: str = ""


DECODER: Final = msgspec.json.Decoder(Alert)
ENCODER: Final = msgspec.json.Encoder()
