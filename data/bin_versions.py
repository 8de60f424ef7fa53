"""A version per bin: raised by the very transaction that changes the bin's rows, so that what is stale is certain.

Sequence numbers and timestamps are given before a transaction ends, and transactions end in any order: who asks for
"everything after the last I saw" loses rows. A version that differs from the one seen cannot lie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, insert, is_postgres, of_bins


def lock_bins(connection: sa.Connection, bin_ids: pd.Series) -> None:
    """Let no other transaction write these bins until this one ends; all at once and sorted, so none waits in a ring.

    PostgreSQL locks the bins' version rows; SQLite has one writer anyway.
    """
    if not is_postgres(connection):
        return
    ids = np.sort(bin_ids.unique()).tolist()
    connection.exec_driver_sql(
        "INSERT INTO bin_versions (bin_id, version) SELECT k, 0 FROM unnest(%s::text[]) AS k "
        "WHERE NOT EXISTS (SELECT 1 FROM bin_versions v WHERE v.bin_id = k) "
        'ORDER BY k COLLATE "C" ON CONFLICT DO NOTHING',
        (ids,),
    )
    connection.exec_driver_sql(
        "SELECT 1 FROM bin_versions WHERE bin_id = ANY(%s::text[]) ORDER BY bin_id FOR NO KEY UPDATE", (ids,)
    )


def raise_versions(connection: sa.Connection, bin_ids: pd.Series) -> None:
    """Raise the versions of these bins, locked before, by one."""
    new = pd.DataFrame({"bin_id": np.sort(bin_ids.unique()), "version": 1})
    insert(connection, schema.VERSIONS, new, "(bin_id) DO UPDATE SET version = bin_versions.version + 1")


def read_versions(connection: sa.Connection, ids: Sequence[str] | None) -> dict[str, int]:
    """The versions of these bins, or of all, in one query; a bin never heard of is not in it."""
    return {row[0]: int(row[1]) for row in of_bins(connection, schema.VERSIONS, ids)}


def bins_after(connection: sa.Connection, bin_id: str, limit: int) -> list[str]:
    """The ids, in order, of the first bins that come after this one, of all that were put or heard of."""
    mark = "%s" if is_postgres(connection) else "?"
    sql = f"SELECT bin_id FROM bin_versions WHERE bin_id > {mark} ORDER BY bin_id LIMIT {mark}"
    return [row[0] for row in fetched(connection, sql, (bin_id, limit))]
