"""Bins in the store: all rows (devices) of a bin as they were put last."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, framed, insert, listed, of_bins
from data.bin_versions import lock_bins, raise_versions
from data.bins import DEFAULTS, SORTED, Bins
from data.stored import Stored

UNNAMED_ZONE = "UTC"


def put_bins(connection: sa.Connection, bins: Bins) -> Stored:
    """Put bins in the caller's transaction: all rows of a bin replace those that the store had of it. Counts rows."""
    frame = bins.frame
    lock_bins(connection, frame["bin_id"])
    both = pd.concat([frame, read_bins(connection, frame["bin_id"].unique().tolist()).frame], ignore_index=True)
    odd = both[~both.duplicated(keep=False)]["bin_id"].unique()
    new = frame[frame["bin_id"].isin(odd)]
    if len(new):
        ids, given = listed(connection, new["bin_id"].unique().tolist())
        sql = f"DELETE FROM bins WHERE bin_id IN (SELECT bin_id FROM {ids} AS k)"
        connection.exec_driver_sql(sql, tuple(given))
        insert(connection, schema.BINS, new)
        raise_versions(connection, new["bin_id"])
    return Stored(len(new), len(frame) - len(new))


def bins_with(connection: sa.Connection, devices: list[str]) -> list[str]:
    """The bins in which any of these devices sits or sat."""
    if not devices:
        return []
    asked, given = listed(connection, devices)
    sql = f"SELECT DISTINCT bin_id FROM bins WHERE device_id IN (SELECT bin_id FROM {asked} AS k)"
    return [row[0] for row in fetched(connection, sql, given)]


def any_bins(connection: sa.Connection) -> bool:
    """Whether a bin was ever put."""
    return bool(fetched(connection, "SELECT 1 FROM bins LIMIT 1"))


def read_bins(connection: sa.Connection, ids: list[str] | None, heard: Iterable[str] = ()) -> Bins:
    """The bins that were put, of these or all, and those only `heard` of: in UTC, with every default.

    Trusted, as they were checked when put.
    """
    rows = of_bins(connection, schema.BINS, ids)
    put = {row[0] for row in rows}
    names = [column.name for column in schema.BINS.columns]
    default = [{"timezone": UNNAMED_ZONE, **DEFAULTS}.get(name) for name in names[1:]]
    rows += [(bin_id, *default) for bin_id in heard if bin_id not in put]
    frame = framed(rows, schema.BINS).sort_values(SORTED, kind="stable", na_position="first", ignore_index=True)
    return Bins(frame)
