"""Which incidents' evidence is to be saved: those of live findings, from medium on, as they open and get worse."""

from collections.abc import Sequence
from typing import Final

import msgspec

from alerting.database.dialect import insert_on
from alerting.database.schema import EVIDENCE
from alerting.deciding.decide import Decision
from alerting.incidents.record import Record, rank
from alerting.unit import Unit
from stream.finding import Severity

FROM: Final[Severity] = "medium"


def want_evidence(unit: Unit, record: Record, decisions: Sequence[Decision], clock: float) -> None:
    """Ask for an incident's evidence where these decisions opened it, made it severe enough, or wake somebody.

    What was sealed of a mere attempt lacks the success that followed: the opening's archive is then sealed anew, with
    what it held and what came since, and the timeline names both manifests.
    """
    again = any(decision.page for decision in decisions)
    if (record.saved >= record.opening and not again) or rank(record.severity) < rank(FROM):
        return
    if not any(decision.live and decision.own for decision in decisions):
        return
    unit.put(msgspec.structs.replace(record, saved=record.opening))
    values = {"incident": record.id, "opening": record.opening, "wanted": clock, "digest": "", "why": ""}
    anew = insert_on(unit.connection, EVIDENCE).on_conflict_do_update(
        index_elements=("incident", "opening"), set_={"wanted": clock, "sealed": None}
    )
    unit.connection.execute(anew, values)
