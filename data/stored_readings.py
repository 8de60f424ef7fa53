"""Readings in the store: every version that was told, also those that say again what the one before them said.

A repeat is no version, and none is read back; but it may become one, when an older version arrives late between the
two. Only a repeat that we stamped ourselves (a retried post) is not kept: it tells nothing of when it was said.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import insert, keyed
from data.bin_versions import lock_bins, raise_versions
from data.readings import ORDER, Readings, repeats
from data.stored import BATCH, Stored

KEY = [*ORDER, "fill_pct"]


def put_readings(
    connection: sa.Connection,
    readings: Readings,
    stamped: pd.Timestamp | None = None,
    progress: Callable[[int], None] | None = None,
    retold: pd.DataFrame | None = None,
) -> Stored:
    """Add readings in the caller's transaction. `stamped`: the `received_at` given to rows that brought none.

    `retold`: rows that came with them and only repeat them (`Cleaned.retold`); they count too.
    """
    accepted, frame = 0, readings.frame
    if retold is not None and len(retold):
        frame = pd.concat([frame, retold], ignore_index=True).sort_values(KEY, kind="stable", ignore_index=True)
    lock_bins(connection, frame["bin_id"])
    changed: list[pd.Series] = []
    for start in range(0, len(frame), BATCH):
        batch = frame.iloc[start : start + BATCH]
        kept, versions = _unheard(batch, keyed(connection, schema.READINGS, "measured_at", batch), stamped)
        if len(kept):
            insert(connection, schema.READINGS, kept)
        if versions.any():
            changed.append(kept["bin_id"][versions])
            accepted += int(versions.sum())
        if progress:
            progress(len(batch))
    if changed:
        raise_versions(connection, pd.concat(changed))
    return Stored(accepted, len(frame) - accepted)


def _unheard(batch: pd.DataFrame, known: pd.DataFrame, stamped: pd.Timestamp | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of the batch that the store lacks, and which of them are new versions beside those it has: (n,) bool."""
    if known.empty and not repeats(batch).any():
        return batch, np.ones(len(batch), dtype=bool)
    both = batch.assign(new=True)
    if len(known):
        both = pd.concat([known.assign(new=False), both], ignore_index=True)
    both = both.sort_values([*KEY, "new"], kind="stable")
    both = both[~both.duplicated(KEY)].reset_index(drop=True)
    again, lacked = repeats(both), both["new"].to_numpy()
    if stamped is not None:
        # Beside the same value on either side: the clock that stamps may have been set back.
        beside = again | np.append(again[1:], False)
        lacked = lacked & ~(beside & (both["received_at"] == stamped).to_numpy())
    return both[lacked].drop(columns="new"), ~again[lacked]
