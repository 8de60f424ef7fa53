"""Emptyings in the store: of one (bin_id, emptied_at) the row heard first."""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import framed, insert, keyed, microsecond, of_bins
from data.bin_versions import lock_bins, raise_versions
from data.emptyings import Emptyings
from data.stored import BATCH, Stored

KEY = ["bin_id", "emptied_at"]
EARLIER = ", ".join(f"{c.name} = excluded.{c.name}" for c in schema.EMPTYINGS.columns if not c.primary_key)


def put_emptyings(connection: sa.Connection, emptyings: Emptyings) -> Stored:
    """Add emptyings in the caller's transaction; one heard earlier than the stored row replaces it."""
    frame = emptyings.frame
    lock_bins(connection, frame["bin_id"])
    changed: list[pd.Series] = []
    for start in range(0, len(frame), BATCH):
        batch = frame.iloc[start : start + BATCH]
        known = keyed(connection, schema.EMPTYINGS, "emptied_at", batch)
        told = batch.merge(known[[*KEY, "received_at"]], "left", KEY)
        new = batch[~(told["received_at_y"] <= told["received_at_x"]).to_numpy()]
        if len(new):
            insert(connection, schema.EMPTYINGS, new, f"(bin_id, emptied_at) DO UPDATE SET {EARLIER}")
            changed.append(new["bin_id"])
    if changed:
        raise_versions(connection, pd.concat(changed))
    accepted = sum(map(len, changed))
    return Stored(accepted, len(frame) - accepted)


def read_emptyings(
    connection: sa.Connection, ids: list[str] | None, since: pd.Timestamp | None, until: pd.Timestamp | None
) -> Emptyings:
    """Emptyings of these bins (default all) at or after `since`, heard until `until`; trusted."""
    tests = {"emptied_at >=": since, "received_at <=": until}
    more = {test: microsecond(moment) for test, moment in tests.items() if moment is not None}
    frame = framed(of_bins(connection, schema.EMPTYINGS, ids, more), schema.EMPTYINGS)
    return Emptyings(frame.sort_values(KEY, kind="stable", ignore_index=True))
