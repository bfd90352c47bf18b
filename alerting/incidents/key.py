"""The incident key: a pure function of one finding, so that every node and every replay names the same incident."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from alerting.incidents.family import Subject, family, subject
from stream.finding import Finding

DAY: Final = 86_400


class IncidentKey(NamedTuple):
    """What names an incident: tenant, family, the entity it is about (a rule's also the rule), and the UTC day."""

    tenant: str | None
    family: str
    subject: Subject
    rule: str
    day: int

    @property
    def id(self) -> str:
        """The incident's id: 32 hexadecimal digits."""
        tenant = "\0" if self.tenant is None else self.tenant
        parts = (tenant, self.family, *self.subject, self.rule, str(self.day))
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def before(self) -> str:
        """The id that the same matter had the day before."""
        return self._replace(day=self.day - 1).id

    @property
    def date(self) -> str:
        """The UTC day as ISO 8601."""
        return datetime.fromtimestamp(self.day * DAY, UTC).date().isoformat()


def incident_key(finding: Finding) -> IncidentKey:
    """The key of the incident that a finding belongs to; the day is that of `start`, where its cell begins."""
    name = family(finding.class_)
    rule = finding.detector if name == "rule" else ""
    return IncidentKey(finding.tenant, name, subject(finding), rule, int(finding.start // DAY))
