"""Find the incidents that are about an entity."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("incidents_by_about", "incidents", ["about_value", "family"])


def downgrade() -> None:
    op.drop_index("incidents_by_about", table_name="incidents")
