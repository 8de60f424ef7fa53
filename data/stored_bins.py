"""Bins in the store: all rows (devices) of a bin as they were put last."""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import framed, insert, listed, of_bins
from data.bin_versions import lock_bins, raise_versions
from data.bins import Bins
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


def read_bins(connection: sa.Connection, ids: list[str] | None) -> Bins:
    """The bins that were put, of these or all."""
    return Bins.checked(framed(of_bins(connection, schema.BINS, ids), schema.BINS))


def with_heard(bins: Bins, heard: set[str]) -> Bins:
    """The bins, and those that were heard of but never put: in UTC, stream mixed."""
    unnamed = sorted(heard - set(bins.frame["bin_id"]))
    if not unnamed:
        return bins
    return Bins.checked(pd.concat([bins.frame, Bins.named(unnamed, UNNAMED_ZONE).frame], ignore_index=True))
