"""The tables of alerting; alembic brings a database to them, the same on SQLite and PostgreSQL."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from alerting.database.sealed import Named, Sealed, SealedBytes

METADATA: Final = MetaData()

_COUNTER: Final = BigInteger().with_variant(Integer, "sqlite")

INCIDENTS: Final = Table(
    "incidents",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("tenant", Named),
    Column("family", String(32), nullable=False),
    Column("about_key", Text, nullable=False),
    Column("about_value", Named, nullable=False),
    Column("status", String(16), nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("updated", Double, nullable=False),
    Column("told_by", String(32)),
    Column("inhibits", Boolean, nullable=False),
    Column("due", Double),
    Column("body", Sealed("incidents.body"), nullable=False),
    Index("incidents_by_status", "status", "updated"),
    Index("incidents_by_update", "updated"),
    Index("incidents_by_about", "about_value", "family"),
    Index("incidents_by_told_by", "told_by"),
    Index("incidents_by_inhibits", "inhibits", "status"),
    Index("incidents_by_due", "due"),
)
"""One row an incident: `body` is its record, the other columns are what it is looked up by."""

FINDINGS: Final = Table(
    "incident_findings",
    METADATA,
    Column("finding", Text, primary_key=True),
    Column("incident", String(32), nullable=False),
    Column("own", Boolean, nullable=False),
    Column("at", Double, nullable=False),
    Column("owner", Named),
    Column("body", Sealed("incident_findings.body"), nullable=False),
    Index("incident_findings_by_incident", "incident", "at"),
    Index("incident_findings_by_owner", "owner", "at"),
)
"""What incidents are made of; `owner` is whose data a finding says was reached."""

TIMELINE: Final = Table(
    "timeline",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("incident", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("change", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("by", Sealed("timeline.by"), nullable=False),
    Column("note", Sealed("timeline.note"), nullable=False),
    Index("timeline_by_incident", "incident", "id"),
)
"""What happened to an incident; triggers refuse to change or delete a row."""

DECISIONS: Final = Table(
    "decisions",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("incident", String(32), nullable=False),
    Column("finding", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("change", String(16)),
    Column("severity", String(8), nullable=False),
    Column("page", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("page_id", Text),
    Index("decisions_by_incident", "incident", "id"),
    Index("decisions_by_finding", "finding"),
)
"""One row a finding: what was decided, why, and in which page it was told (`page` false: in a bundle, or not yet)."""

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("sink", Text, nullable=False),
    Column("incident", String(32), nullable=False),
    Column("alert", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Double, nullable=False),
    Column("changed", Double, nullable=False),
    Column("repeated", Boolean, nullable=False),
    Column("why", Sealed("outbox.why"), nullable=False),
    Column("body", Sealed("outbox.body"), nullable=False),
    Index("outbox_by_sink", "sink", "state", "id"),
    Index("outbox_by_incident", "incident", "id"),
)
"""One row an alert and sink; those in state `refused` are the dead letters. Times but `at` are the deliverer's."""

MARKS: Final = Table(
    "marks",
    METADATA,
    Column("task", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
)
"""The last output of each task and input partition that took effect: what is not above it is dropped."""

POSITIONS: Final = Table(
    "positions",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("clock", Double, nullable=False),
)
"""Where to go on reading, and the stream's clock there."""

RECEIVERS: Final = Table("receivers", METADATA, Column("name", Text, primary_key=True))
"""A row to lock while a receiver's budget is spent."""

PAGES: Final = Table(
    "pages",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("receiver", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("classes", Text, nullable=False),
    Column("tenant", Named),
    Column("alert", Text, nullable=False),
    Index("pages_by_receiver", "receiver", "at"),
)

BUNDLES: Final = Table(
    "bundles",
    METADATA,
    Column("receiver", Text, primary_key=True),
    Column("group", String(32), primary_key=True),
    Column("id", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("pause", Double, nullable=False),
)
"""The bundles that each receiver will get next, since when each waits and when it is due.

`group` is empty for what the page budget holds back, else a group of the receiver's route, which stays for `pause`
seconds after it was told.
"""

HELD: Final = Table(
    "held",
    METADATA,
    Column("bundle", Text, primary_key=True),
    Column("incident", String(32), primary_key=True),
    Column("since", Double, nullable=False),
    Column("told", Boolean, nullable=False),
    Index("held_by_incident", "incident"),
)
"""Incidents that wait for their bundle; `told` says that a page of its own went out meanwhile."""

LINKS: Final = Table(
    "links",
    METADATA,
    Column("one", String(32), primary_key=True),
    Column("other", String(32), primary_key=True),
    Column("at", Double, nullable=False),
    Column("why", Sealed("links.why"), nullable=False),
    Column("by", Sealed("links.by"), nullable=False),
    Column("cut", Boolean, nullable=False),
    Index("links_by_other", "other"),
)
"""Ties between incidents, `by` whom; one that was `cut` is never made again by itself."""

MENTIONS: Final = Table(
    "mentions",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("value", Named, primary_key=True),
    Column("incident", String(32), primary_key=True),
    Column("at", Double, nullable=False),
)
"""Which incidents name a value; a few for each value, since what a crowd names links nothing."""

RISKS: Final = Table(
    "risks",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("value", Named, primary_key=True),
    Column("tenant", Named, primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", Sealed("risks.body"), nullable=False),
    Index("risks_by_at", "at"),
)
"""What the findings about one entity add up to; `tenant` is empty where there is none."""

MATCHERS: Final = Table(
    "matchers",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("where", Sealed("matchers.where"), nullable=False),
    Column("start", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("owner", Sealed("matchers.owner"), nullable=False),
    Column("reason", Sealed("matchers.reason"), nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("by", Sealed("matchers.by"), nullable=False),
    Column("at", Double, nullable=False),
    Column("ended_by", Sealed("matchers.ended_by")),
    Index("matchers_by_until", "until"),
)
"""Silences and exceptions: `where` is a JSON list of conditions; who made one (`by`, `at`) and ended it early."""

LEAVE: Final = Table(
    "leave",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", Sealed("leave.body"), nullable=False),
)
"""The grants of the newest version of the directory that alerting heard of, by the version's digest: one row."""

DENIALS: Final = Table(
    "denials",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("incident", String(32), nullable=False),
    Column("subject", Sealed("denials.subject"), nullable=False),
    Column("at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("by", Sealed("denials.by"), nullable=False),
    Column("why", Sealed("denials.why"), nullable=False),
    Column("identity", String(16), nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("automatic", String(32), nullable=False),
    Column("lifted_by", Sealed("denials.lifted_by")),
    Column("lifted_at", Double),
    Column("told_until", Double),
    Column("told_at", Double),
    Index("denials_by_until", "until"),
    Index("denials_by_incident", "incident"),
)
"""Who is refused: `until` is when it ends or ended; `told_until` and `told_at` are what the listeners last heard."""

OBEYING: Final = Table(
    "obeying",
    METADATA,
    Column("denial", String(32), primary_key=True),
    Column("producer", Named, primary_key=True),
    Column("asked", Double, nullable=False),
    Column("confirmed", Double),
)
"""Which producers are to obey a denial, and since when each says that it does."""

WANTED: Final = Table(
    "wanted",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("incident", String(32), nullable=False),
    Column("finding", Text, nullable=False),
    Column("rule", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("done", Boolean, nullable=False),
    Index("wanted_by_done", "done", "at"),
)
"""Containments that were approved beforehand and wait until somebody has looked whom they concern."""

STEPS: Final = Table(
    "steps",
    METADATA,
    Column("incident", String(32), primary_key=True),
    Column("opening", Integer, primary_key=True, autoincrement=False),
    Column("step", String(48), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("by", Sealed("steps.by"), nullable=False),
    Column("at", Double, nullable=False),
    Column("note", Sealed("steps.note"), nullable=False),
    Column("owner", Sealed("steps.owner")),
    Column("due", Double),
    Index("steps_by_due", "state", "due"),
)
"""How far the steps of an incident's runbook are; who did what before that stands in the timeline."""

ACTIONS: Final = Table(
    "actions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("incident", String(32), nullable=False),
    Column("action", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("by", Sealed("actions.by"), nullable=False),
    Column("at", Double, nullable=False),
    Column("result", Sealed("actions.result"), nullable=False),
    Index("actions_by_incident", "incident", "at"),
)
"""What was done outside of Tocsin; one that stays `attempting` is in doubt."""

EVIDENCE: Final = Table(
    "evidence",
    METADATA,
    Column("incident", String(32), primary_key=True),
    Column("opening", Integer, primary_key=True, autoincrement=False),
    Column("wanted", Double, nullable=False),
    Column("sealed", Double),
    Column("digest", String(64), nullable=False),
    Column("why", Sealed("evidence.why"), nullable=False),
    Column("body", SealedBytes("evidence.body")),
    Index("evidence_by_sealed", "sealed", "wanted"),
)
"""What was saved when an incident opened: an archive, or why there is none yet."""

ENCRYPTION: Final = Table("encryption", METADATA, Column("probe", Named, primary_key=True))
"""One row where values lie encrypted: a known text, by which it is seen whether the keys are the right ones."""
