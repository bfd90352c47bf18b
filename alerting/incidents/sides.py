"""Whose incident it is: found for its tenant, or for the owner of the data that it is about."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, or_, select

from alerting.alert import Incident
from alerting.database.schema import FINDINGS, INCIDENTS
from alerting.incidents.walls import owners_finding, owners_incident
from alerting.unit import RECORD_DECODER
from stream.finding import DECODER, Finding

LOOKED_AT: Final = 5_000
"""Findings about other tenants' callers that one look goes through, the newest."""


def owners_sides(
    connection: Connection, tenants: frozenset[str], *, beginning: str = ""
) -> Iterator[tuple[Incident, list[Finding]]]:
    """The owner's side of every incident of others in which these tenants' data was reached, the newest first.

    `beginning` is that of the incident's id, in lower case.
    """
    if not tenants:
        return
    wanted = (
        select(FINDINGS.c.incident, FINDINGS.c.at, FINDINGS.c.body)
        .join_from(FINDINGS, INCIDENTS, FINDINGS.c.incident == INCIDENTS.c.id)
        .where(
            INCIDENTS.c.family == "tenant",
            or_(INCIDENTS.c.tenant.is_(None), INCIDENTS.c.tenant.not_in(tenants)),
            FINDINGS.c.owner.in_(tenants),
        )
    )
    if beginning:
        wanted = wanted.where(FINDINGS.c.incident >= beginning, FINDINGS.c.incident <= beginning + "g")
    seen: dict[str, list[tuple[float, Finding]]] = {}
    for row in connection.execute(wanted.order_by(FINDINGS.c.at.desc(), FINDINGS.c.finding).limit(LOOKED_AT)):
        finding = owners_finding(DECODER.decode(row.body), tenants)
        if finding is not None:
            seen.setdefault(row.incident, []).append((row.at, finding))
    rows = connection.execute(select(INCIDENTS.c.id, INCIDENTS.c.body).where(INCIDENTS.c.id.in_(seen)))
    bodies = {row.id: row.body for row in rows}
    for id_, findings in seen.items():
        if id_ in bodies:
            incident = RECORD_DECODER.decode(bodies[id_]).incident()
            yield owners_incident(incident, findings), [finding for _, finding in reversed(findings)]
