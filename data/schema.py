"""The store's tables in a database. Times are whole microseconds since 1970 (UTC): exact, compact, quick to read."""

import sqlalchemy as sa

REVISION = "0004"
"""The newest migration in data/migrations: what this code works with. Revisions are four digits and only rise."""
METADATA = sa.MetaData()
# Ids sort by their bytes everywhere, as pandas sorts them.
Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Us = sa.BigInteger()
Number: sa.Double[float] = sa.Double()

READINGS = sa.Table(
    "readings",
    METADATA,
    # The key is the index that the window of recent readings is read by: SQLite keeps the rows in its order, in
    # PostgreSQL it covers the other columns (r0002).
    sa.Column("bin_id", Id, primary_key=True),
    sa.Column("measured_at", Us, primary_key=True, autoincrement=False),
    sa.Column("received_at", Us, primary_key=True, autoincrement=False),
    sa.Column("fill_pct", Number, primary_key=True),
    sa.Column("temperature_c", Number),
    sa.Column("battery_pct", Number),
    sa.Column("quality", Number),
    sqlite_with_rowid=False,
)
EMPTYINGS = sa.Table(
    "emptyings",
    METADATA,
    sa.Column("bin_id", Id, primary_key=True),
    sa.Column("emptied_at", Us, primary_key=True, autoincrement=False),
    sa.Column("received_at", Us, nullable=False),
    sa.Column("fill_before_pct", Number),
    sa.Column("fill_after_pct", Number),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("probability", Number),
    sqlite_with_rowid=False,
)
BINS = sa.Table(
    "bins",
    METADATA,
    sa.Column("bin_id", Id, nullable=False, index=True),
    *(sa.Column(name, sa.Text) for name in ("timezone", "stream", "site_kind")),
    *(sa.Column(name, Number) for name in ("latitude", "longitude", "capacity_l", "full_pct", "empty_mm", "full_mm")),
    sa.Column("device_id", sa.Text),
    sa.Column("valid_from", Us),
    sa.Column("valid_to", Us),
    sa.Column("name", sa.Text),
)
WEATHER = sa.Table(
    "weather",
    METADATA,
    sa.Column("at", Us, primary_key=True, autoincrement=False),
    sa.Column("issued_at", Us, primary_key=True, autoincrement=False),
    sa.Column("temperature_c", Number),
    sa.Column("precipitation_mm", Number),
    sqlite_with_rowid=False,
)
VERSIONS = sa.Table(
    "bin_versions",
    METADATA,
    sa.Column("bin_id", Id, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
LEVELS = ("q05", *(f"q{p}" for p in range(10, 100, 10)), "q95")
GIVEN = sa.Table(
    "given_forecasts",
    METADATA,
    # Read, and let go of, by the hour: what is new is written at the end of the key.
    sa.Column("hour", Us, primary_key=True, autoincrement=False),
    sa.Column("bin_id", Id, primary_key=True),
    sa.Column("horizon_h", Number, primary_key=True),
    sa.Column("role", Id, primary_key=True),
    sa.Column("model_name", Id, primary_key=True),
    sa.Column("model_version", Id, primary_key=True),
    *(sa.Column(name, Us, nullable=False) for name in ("as_of", "at", "given_at")),
    *(sa.Column(name, Number, nullable=False) for name in (*LEVELS, "mean", "p_full", "full_pct")),
    sa.Column("status", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
