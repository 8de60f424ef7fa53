"""A bin gets another id: all that the store holds of it moves, into a new bin or into one that is there."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, is_postgres
from data.bin_versions import lock_bins, raise_versions, read_versions
from data.connections import Connections
from data.errors import InputError


@dataclass(frozen=True)
class Renamed:
    """How many readings and emptyings moved; `merged`: into a bin that was known before."""

    readings: int
    emptyings: int
    merged: bool


def rename_bin(connections: Connections, old: str, new: str) -> Renamed:
    """Move all of a bin to another id, forecasts given included, in one transaction; the old id is forgotten.

    Where `new` is known already the two become one: both histories, and the facts (and devices) of `new`. Raises
    InputError for a bin that the store has never heard of.
    """
    if not new or len(new) > 200 or any(c < " " or c == "\x7f" for c in new):
        raise InputError(
            f"The new id is {new[:80]!r}", expected="1 to 200 characters, none of them a control character",
            remedy="Name another.",
        )  # fmt: skip
    with connections.transaction() as connection:
        known = read_versions(connection, sorted({old, new}))
        check_known(known, [old])
        if old == new:
            return Renamed(0, 0, merged=False)
        lock_bins(connection, pd.Series([old, new]))
        tables = (schema.READINGS, schema.EMPTYINGS, schema.GIVEN)
        readings, emptyings, _ = [_move(connection, table, old, new) for table in tables]
        mark = "%s" if is_postgres(connection) else "?"
        if fetched(connection, f"SELECT 1 FROM bins WHERE bin_id = {mark} LIMIT 1", (new,)):
            connection.exec_driver_sql(f"DELETE FROM bins WHERE bin_id = {mark}", (old,))
        else:
            connection.exec_driver_sql(f"UPDATE bins SET bin_id = {mark} WHERE bin_id = {mark}", (new, old))
        connection.exec_driver_sql(f"DELETE FROM bin_versions WHERE bin_id = {mark}", (old,))
        raise_versions(connection, pd.Series([new]))
    return Renamed(readings, emptyings, merged=new in known)


def check_known(known: dict[str, int], bin_ids: list[str]) -> None:
    """Raise InputError where the store has never heard of one of these bins."""
    unknown = [bin_id for bin_id in bin_ids if bin_id not in known]
    if unknown:
        raise InputError(
            f"The store has no bin {unknown[0]!r}",
            expected="bins that it knows",
            remedy="GET /v1/bins lists them. Check --store, or BRIMCAST_STORE.",
        )


def _move(connection: sa.Connection, table: sa.Table, old: str, new: str) -> int:
    """Give the rows of `old` to `new`; what `new` has already stays as it is. How many rows `old` had."""
    mark = "%s" if is_postgres(connection) else "?"
    others = ", ".join(column.name for column in table.columns if column.name != "bin_id")
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} (bin_id, {others}) SELECT {mark}, {others} FROM {table.name} "
        f"WHERE bin_id = {mark} ON CONFLICT DO NOTHING",
        (new, old),
    )
    return int(connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE bin_id = {mark}", (old,)).rowcount)
