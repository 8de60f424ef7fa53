"""What is old is deleted from the store, a bounded number of rows at a time, so that ingestion never waits for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, is_postgres, listed, microsecond
from data.connections import Connections
from data.errors import InputError

CHUNK = 10_000
LEAST = pd.Timedelta(days=35)
"""Forecasts read the last 35 days. So no forecast changes, and no bin's version rises."""


@dataclass(frozen=True)
class Pruned:
    """Readings measured before `before`, of `bins` bins: deleted, or found by a dry run; each bin's newest stays.

    forecasts: those given before the moment until which they are kept; weather: rows for moments before `before`.
    """

    before: pd.Timestamp
    readings: int
    bins: int
    forecasts: int = 0
    weather: int = 0


def prune_store(
    connections: Connections,
    before: pd.Timestamp,
    now: pd.Timestamp,
    *,
    given_before: pd.Timestamp | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Pruned:
    """Delete readings measured before `before`, save the newest of each bin in all its versions; weather; forecasts.

    Weather of moments before `before`, in all its versions. Forecasts given before `given_before`; without readings
    none can be scored, so it is `before` at the earliest.

    Each chunk is a transaction of its own; ended early, the rest is left for the next time. `progress`
    is told the number of readings of each.
    Raises InputError when that is less than 35 days before `now`.
    """
    if before > now - LEAST:
        raise InputError(
            f"Readings since {before} would be kept, {(now - before) / pd.Timedelta(days=1):g} days",
            expected=f"at least the {LEAST.days} days that forecasts read",
            remedy="Keep more.",
            example="--keep 730d",
        )
    given_end = microsecond(max(before, given_before or before).floor("h"))
    dated = ((schema.GIVEN.c.hour, given_end), (schema.WEATHER.c.at, microsecond(before)))
    with connections.snapshot() as connection:
        old = _count(connection, before)
        forecasts, weather = (_count_until(connection, time, end) for time, end in dated)
    if dry_run:
        return Pruned(before, int(old.sum()), len(old), forecasts, weather)
    forecasts, weather = (_delete_until(connections, time, end) for time, end in dated)
    deleted = 0
    for _, chunk in old.groupby((old.cumsum() - 1) // CHUNK):  # bins that have about so many old rows together
        gone = CHUNK
        while gone >= CHUNK:
            with connections.transaction() as connection:
                gone = _delete(connection, chunk.index.tolist(), before)
            deleted += gone
            if progress:
                progress(gone)
    return Pruned(before, deleted, len(old), forecasts, weather)


def _count_until(connection: sa.Connection, time: sa.Column, end: int) -> int:
    """How many rows of the time's table lie before `end`, in microseconds."""
    mark = "%s" if is_postgres(connection) else "?"
    sql = f"SELECT count(*) FROM {time.table.name} WHERE {time.name} < {mark}"
    return int(fetched(connection, sql, (end,))[0][0])


def _delete_until(connections: Connections, time: sa.Column, end: int) -> int:
    """Delete the rows of the time's table before `end`, in microseconds; how many. The table's key begins with it.

    The oldest first, about CHUNK of them in a transaction: all of one moment, however many these are.
    """
    deleted, gone = 0, 1
    while gone:
        with connections.transaction() as connection:
            mark, table = "%s" if is_postgres(connection) else "?", time.table.name
            last = f"SELECT {time.name} FROM {table} WHERE {time.name} < {mark} ORDER BY {time.name}"
            bound = fetched(connection, f"{last} LIMIT 1 OFFSET {CHUNK - 1}", (end,))
            newest = bound[0][0] if bound else end - 1
            gone = connection.exec_driver_sql(f"DELETE FROM {table} WHERE {time.name} <= {mark}", (newest,)).rowcount
        deleted += gone
    return deleted


def _count(connection: sa.Connection, before: pd.Timestamp) -> pd.Series:
    """Old readings by bin, of the bins that have any."""
    ids = [row[0] for row in fetched(connection, "SELECT bin_id FROM bin_versions ORDER BY bin_id")]
    found, given = _old(connection, ids, before)
    rows = fetched(connection, f"SELECT r.bin_id, count(*) {found} GROUP BY r.bin_id ORDER BY r.bin_id", given)
    return pd.Series([row[1] for row in rows], index=[row[0] for row in rows], dtype="int64")


def _delete(connection: sa.Connection, ids: list[str], before: pd.Timestamp) -> int:
    """Delete up to CHUNK old readings of these bins; how many."""
    found, given = _old(connection, ids, before)
    if is_postgres(connection):
        # By their places, as read in the same statement: otherwise the whole table might be read for each chunk.
        sql = f"DELETE FROM readings WHERE ctid = ANY(ARRAY(SELECT r.ctid {found} LIMIT {CHUNK}))"
    else:
        key = "bin_id, measured_at, received_at, fill_pct"
        rows = f"SELECT {', '.join(f'r.{name}' for name in key.split(', '))} {found} LIMIT {CHUNK}"
        sql = f"DELETE FROM readings WHERE ({key}) IN ({rows})"
    return connection.exec_driver_sql(sql, given).rowcount


def _old(connection: sa.Connection, ids: list[str], before: pd.Timestamp) -> tuple[str, tuple[Any, ...]]:
    """FROM and WHERE of the old readings `r` of these bins: before the moment, and before the bin's newest."""
    asked, given = listed(connection, ids)
    least, join = ("least(%s::bigint", "JOIN") if is_postgres(connection) else ("min(?", "CROSS JOIN")
    newest = "(SELECT max(n.measured_at) FROM readings n WHERE n.bin_id = i.bin_id)"
    bound = f"(SELECT i.bin_id, {least}, {newest}) AS bound FROM {asked} AS i) AS k"
    # The bound's own parameter stands before that of the ids.
    return (
        f"FROM {bound} {join} readings r ON r.bin_id = k.bin_id AND r.measured_at < k.bound",
        (microsecond(before), *given),
    )
