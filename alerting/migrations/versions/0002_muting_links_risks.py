"""Who made and ended a silence or an exception, when a bundle is due, when an incident is late, links and risks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bundles", sa.Column("due", sa.Double(), nullable=False, server_default="0"))
    op.add_column("matchers", sa.Column("by", sa.Text(), nullable=False, server_default=""))
    op.add_column("matchers", sa.Column("at", sa.Double(), nullable=False, server_default="0"))
    op.add_column("matchers", sa.Column("ended_by", sa.Text()))
    op.add_column("links", sa.Column("by", sa.Text(), nullable=False, server_default="tocsin"))
    op.add_column("links", sa.Column("cut", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "mentions",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", "value", "incident"),
    )
    op.create_table(
        "risks",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", "value", "tenant"),
    )
    op.create_index("risks_by_at", "risks", ["at"])
    op.add_column("incidents", sa.Column("due", sa.Double()))
    op.create_index("incidents_by_due", "incidents", ["due"])


def downgrade() -> None:
    op.drop_index("risks_by_at", table_name="risks")
    op.drop_table("risks")
    op.drop_table("mentions")
    op.drop_column("links", "cut")
    op.drop_column("links", "by")
    op.drop_index("incidents_by_due", table_name="incidents")
    op.drop_column("incidents", "due")
    op.drop_column("matchers", "ended_by")
    op.drop_column("matchers", "at")
    op.drop_column("matchers", "by")
    op.drop_column("bundles", "due")
