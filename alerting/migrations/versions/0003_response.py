"""Denials and who obeys them, containments that wait, steps of runbooks, actions outside, and sealed evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "denials",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("identity", sa.String(length=16), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("automatic", sa.String(length=32), nullable=False),
        sa.Column("lifted_by", sa.Text()),
        sa.Column("lifted_at", sa.Double()),
        sa.Column("told_until", sa.Double()),
        sa.Column("told_at", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("denials_by_until", "denials", ["until"])
    op.create_index("denials_by_incident", "denials", ["incident"])
    op.create_table(
        "obeying",
        sa.Column("denial", sa.String(length=32), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("asked", sa.Double(), nullable=False),
        sa.Column("confirmed", sa.Double()),
        sa.PrimaryKeyConstraint("denial", "producer"),
    )
    op.create_table(
        "wanted",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("rule", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("wanted_by_done", "wanted", ["done", "at"])
    op.create_table(
        "steps",
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("opening", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(length=48), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("due", sa.Double()),
        sa.PrimaryKeyConstraint("incident", "opening", "step"),
    )
    op.create_index("steps_by_due", "steps", ["state", "due"])
    op.create_table(
        "actions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("actions_by_incident", "actions", ["incident", "at"])
    op.create_table(
        "evidence",
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("opening", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wanted", sa.Double(), nullable=False),
        sa.Column("sealed", sa.Double()),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("incident", "opening"),
    )
    op.create_index("evidence_by_sealed", "evidence", ["sealed", "wanted"])


def downgrade() -> None:
    for table in ("evidence", "actions", "steps", "wanted", "obeying", "denials"):
        op.drop_table(table)
