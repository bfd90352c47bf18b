"""Incidents, findings, timeline, decisions, outbox, marks and the page budget."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("receiver"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("change", sa.String(length=16), nullable=True),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("page", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("page_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("decisions_by_finding", "decisions", ["finding"], unique=False)
    op.create_index("decisions_by_incident", "decisions", ["incident", "id"], unique=False)
    op.create_table(
        "held",
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("bundle", "incident"),
    )
    op.create_index("held_by_incident", "held", ["incident"], unique=False)
    op.create_table(
        "incident_findings",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("finding"),
    )
    op.create_index("incident_findings_by_incident", "incident_findings", ["incident", "at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("family", sa.String(length=32), nullable=False),
        sa.Column("about_key", sa.Text(), nullable=False),
        sa.Column("about_value", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.Column("told_by", sa.String(length=32), nullable=True),
        sa.Column("inhibits", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("incidents_by_inhibits", "incidents", ["inhibits", "status"], unique=False)
    op.create_index("incidents_by_status", "incidents", ["status", "updated"], unique=False)
    op.create_index("incidents_by_told_by", "incidents", ["told_by"], unique=False)
    op.create_index("incidents_by_update", "incidents", ["updated"], unique=False)
    op.create_table(
        "links",
        sa.Column("one", sa.String(length=32), nullable=False),
        sa.Column("other", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("one", "other"),
    )
    op.create_index("links_by_other", "links", ["other"], unique=False)
    op.create_table(
        "marks",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("task", "partition"),
    )
    op.create_table(
        "matchers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("matchers_by_until", "matchers", ["until"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_by_incident", "outbox", ["incident", "id"], unique=False)
    op.create_index("outbox_by_sink", "outbox", ["sink", "state", "id"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("classes", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("pages_by_receiver", "pages", ["receiver", "at"], unique=False)
    op.create_table(
        "positions",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "partition"),
    )
    op.create_table("receivers", sa.Column("name", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "timeline",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("change", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("timeline_by_incident", "timeline", ["incident", "id"], unique=False)
    forbid_changes("timeline")


def forbid_changes(table: str) -> None:
    """Triggers that refuse to change or delete a row."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def downgrade() -> None:
    op.drop_index("timeline_by_incident", table_name="timeline")
    op.drop_table("timeline")
    op.drop_table("receivers")
    op.drop_table("positions")
    op.drop_index("pages_by_receiver", table_name="pages")
    op.drop_table("pages")
    op.drop_index("outbox_by_sink", table_name="outbox")
    op.drop_index("outbox_by_incident", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("matchers_by_until", table_name="matchers")
    op.drop_table("matchers")
    op.drop_table("marks")
    op.drop_index("links_by_other", table_name="links")
    op.drop_table("links")
    op.drop_index("incidents_by_update", table_name="incidents")
    op.drop_index("incidents_by_told_by", table_name="incidents")
    op.drop_index("incidents_by_status", table_name="incidents")
    op.drop_index("incidents_by_inhibits", table_name="incidents")
    op.drop_table("incidents")
    op.drop_index("incident_findings_by_incident", table_name="incident_findings")
    op.drop_table("incident_findings")
    op.drop_index("held_by_incident", table_name="held")
    op.drop_table("held")
    op.drop_index("decisions_by_incident", table_name="decisions")
    op.drop_index("decisions_by_finding", table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("bundles")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION timeline_append_only()")
