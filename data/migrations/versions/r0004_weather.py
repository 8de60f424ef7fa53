"""The city's weather: every version of each moment's, forecast and observed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "weather",
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("issued_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("temperature_c", sa.Double),
        sa.Column("precipitation_mm", sa.Double),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it, with all that it holds."""
    op.drop_table("weather")
