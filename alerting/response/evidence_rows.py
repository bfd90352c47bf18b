"""Which incidents' evidence is to be saved: those of live findings, from medium on, once an opening."""

from collections.abc import Sequence
from typing import Final

import msgspec

from alerting.decide import Decision
from alerting.record import Record, rank
from alerting.schema import EVIDENCE
from alerting.unit import Unit
from stream.finding import Severity

FROM: Final[Severity] = "medium"


def want_evidence(unit: Unit, record: Record, decisions: Sequence[Decision], clock: float) -> None:
    """Ask for an incident's evidence where these decisions opened it, or made it severe enough."""
    if record.saved >= record.opening or rank(record.severity) < rank(FROM):
        return
    if not any(decision.live and decision.own for decision in decisions):
        return
    unit.put(msgspec.structs.replace(record, saved=record.opening))
    unit.add(
        EVIDENCE,
        incident=record.id,
        opening=record.opening,
        wanted=clock,
        sealed=None,
        digest="",
        why="",
        body=None,
    )
