"""Who made and ended a silence or an exception, and when a bundle is due."""

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


def downgrade() -> None:
    op.drop_column("matchers", "ended_by")
    op.drop_column("matchers", "at")
    op.drop_column("matchers", "by")
    op.drop_column("bundles", "due")
