"""Forecasts that the service gave, kept to be scored when the truth arrives."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBERS = ("q05", "q10", "q20", "q30", "q40", "q50", "q60", "q70", "q80", "q90", "q95", "mean", "p_full", "full_pct")


def upgrade() -> None:
    """Make the table; what stands in the others is left as it is."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "given_forecasts",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("bin_id", text, primary_key=True),
        sa.Column("horizon_h", sa.Double, primary_key=True),
        *(sa.Column(name, text, primary_key=True) for name in ("role", "model_name", "model_version")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("as_of", "at", "given_at")),
        *(sa.Column(name, sa.Double, nullable=False) for name in NUMBERS),
        sa.Column("status", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it, and with it all that was given."""
    op.drop_table("given_forecasts")
