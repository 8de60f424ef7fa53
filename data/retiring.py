"""A bin is gone from the street: what the store holds of it is written to files, then forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.batches import listed
from data.bin_versions import lock_bins, read_versions
from data.errors import InputError
from data.outputs import write_table
from data.renaming import check_known

if TYPE_CHECKING:
    from data.store import Store

FILES = ("readings.parquet", "emptyings.parquet", "bins.csv")
TABLES = ("readings", "emptyings", "bins", "bin_versions", "given_forecasts")


@dataclass(frozen=True)
class Retired:
    """How many bins, readings and emptyings left the store."""

    bins: int
    readings: int
    emptyings: int


def retire_bins(store: Store, bin_ids: list[str], out: Path) -> Retired:
    """Write all that the store holds of these bins into `out`, then delete it: whole or not at all.

    The files are tables as every command reads them, so a model can still learn from them; forecasts that were given
    are only deleted. Raises InputError for a bin that the store has never heard of, a folder that holds such files, or
    where something came in meanwhile.
    """
    ids = sorted(set(bin_ids))
    there = [name for name in FILES if (out / name).exists()]
    if there:
        raise InputError(
            f"{out} holds a {there[0]} already", expected="a folder without one", remedy="Name another with --out."
        )
    history, versions = store.versioned(ids)
    check_known(versions, ids)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {out} cannot be made ({error.strerror or error})",
            expected="a folder for the bins' history, or a place to make it",
            remedy="Name another with --out; nothing was retired.",
        ) from error
    frames = (history.readings.frame, history.emptyings.frame, history.bins.frame)
    for name, frame in zip(FILES, frames, strict=True):
        write_table(frame, out / name)
    with store.connections.transaction() as connection:
        lock_bins(connection, pd.Series(ids))
        if read_versions(connection, ids) != versions:
            for name in FILES:
                (out / name).unlink()
            raise InputError(
                "Something came in for these bins meanwhile, so nothing was retired",
                expected="bins of which nothing is heard any more",
                remedy="Stop what sends it, or try again.",
            )
        asked, given = listed(connection, ids)
        for table in TABLES:
            connection.exec_driver_sql(
                f"DELETE FROM {table} WHERE bin_id IN (SELECT bin_id FROM {asked} AS k)", tuple(given)
            )
    return Retired(len(ids), len(history.readings), len(history.emptyings))
