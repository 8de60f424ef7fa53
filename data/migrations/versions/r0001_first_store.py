"""Readings, emptyings, bins and their versions, as stores were made before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table("brimcast_schema", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
    op.execute("INSERT INTO brimcast_schema (version) VALUES (1)")
    op.create_table(
        "readings",
        _id(primary_key=True),
        sa.Column("measured_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fill_pct", sa.Double, primary_key=True),
        sa.Column("temperature_c", sa.Double),
        sa.Column("battery_pct", sa.Double),
        sa.Column("quality", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "emptyings",
        _id(primary_key=True),
        sa.Column("emptied_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("fill_before_pct", sa.Double),
        sa.Column("fill_after_pct", sa.Double),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("probability", sa.Double),
        sqlite_with_rowid=False,
    )
    numbers = ("latitude", "longitude", "capacity_l", "full_pct", "empty_mm", "full_mm")
    op.create_table(
        "bins",
        _id(nullable=False),
        *(sa.Column(name, sa.Text) for name in ("timezone", "stream", "site_kind")),
        *(sa.Column(name, sa.Double) for name in numbers),
        sa.Column("device_id", sa.Text),
        sa.Column("valid_from", sa.BigInteger),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("name", sa.Text),
    )
    op.create_index("ix_bins_bin_id", "bins", ["bin_id"])
    op.create_table(
        "bin_versions",
        _id(primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("bin_versions", "bins", "emptyings", "readings", "brimcast_schema"):
        op.drop_table(table)


def _id(*, primary_key: bool = False, nullable: bool | None = None) -> sa.Column[str]:
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column("bin_id", kind, primary_key=primary_key, nullable=bool(nullable) and not primary_key)
