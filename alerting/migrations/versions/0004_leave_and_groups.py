"""Find the incidents that are about an entity, keep the directory's grants, and hold pages back by group."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("incidents_by_about", "incidents", ["about_value", "family"])
    op.create_table(
        "leave",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.rename_table("bundles", "bundles_before")
    op.create_table(
        "bundles",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("group", sa.String(length=32), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("pause", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "group"),
    )
    kept = sa.text("INSERT INTO bundles SELECT receiver, '', id, since, due, 0 FROM bundles_before")
    op.execute(kept)
    op.drop_table("bundles_before")


def downgrade() -> None:
    op.rename_table("bundles", "bundles_after")
    op.create_table(
        "bundles",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("receiver"),
    )
    kept = "INSERT INTO bundles SELECT receiver, id, since, due FROM bundles_after WHERE \"group\" = ''"
    op.execute(sa.text(kept))
    op.drop_table("bundles_after")
    op.drop_table("leave")
    op.drop_index("incidents_by_about", table_name="incidents")
