"""Whose data a finding says was reached, and whether values lie encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incident_findings", sa.Column("owner", sa.Text(), nullable=True))
    op.create_index("incident_findings_by_owner", "incident_findings", ["owner", "at"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE incident_findings SET owner = json_extract(body, '$.entity.resource_tenants')")
    else:
        op.execute("UPDATE incident_findings SET owner = body::json -> 'entity' ->> 'resource_tenants'")
    op.create_table("encryption", sa.Column("probe", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("probe"))


def downgrade() -> None:
    op.drop_table("encryption")
    op.drop_index("incident_findings_by_owner", table_name="incident_findings")
    op.drop_column("incident_findings", "owner")
