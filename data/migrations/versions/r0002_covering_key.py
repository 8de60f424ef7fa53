"""The readings' key covers the row, so that the recent window of a bin is read from the index alone.

SQLite keeps the rows in the key's order already. The older mark of a store goes: its revision says the same, and
without it a Brimcast from before migrations refuses the store instead of misreading it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REKEY = "ALTER TABLE readings DROP CONSTRAINT readings_pkey, ADD PRIMARY KEY "
KEY = "(bin_id, measured_at, received_at, fill_pct)"


def upgrade() -> None:
    """Rebuild the key with the other columns beside it."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"{REKEY} {KEY} INCLUDE (temperature_c, battery_pct, quality)")
    op.drop_table("brimcast_schema")


def downgrade() -> None:
    """Rebuild the key alone, and mark the store as before."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"{REKEY} {KEY}")
    op.create_table("brimcast_schema", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
    op.execute("INSERT INTO brimcast_schema (version) VALUES (1)")
