from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from data import schema
from data.batches import fetched, framed, insert, is_postgres, keyed
from data.bins import Bins
from data.connections import WAIT_S, Connections, StoreError
from data.databases import unreachable
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.migration import check_revision, migrate, revision_of
from data.readings import ORDER, Readings, repeats
from data.schema import REVISION
from data.settings import Settings

BATCH = 20_000
UNNAMED_ZONE = "UTC"


@dataclass(frozen=True)
class Stored:
    """How many of the rows put were new to the store, and how many changed nothing."""

    accepted: int
    unchanged: int


class Store:
    """Bins, readings (every version) and emptyings in SQLite or PostgreSQL; safe to use from several threads.

    Each `put_...` is one transaction: it holds wholly or not at all, raises the version of the bins it changed, and
    when put again changes nothing. `migrate`: bring an older or an empty store to this code's revision, instead of
    refusing it. Raises InputError when `url` is no usable store (SchemaError: not of this revision), StoreError when a
    call fails.
    """

    def __init__(self, url: str, *, migrate: bool = True, wait_s: float = WAIT_S) -> None:
        self.connections = Connections(url, wait_s)
        try:
            self._prepare(migrate)
        except (SQLAlchemyError, StoreError) as error:
            self.close()
            raise unreachable(self.url, error) from error
        except InputError:
            self.close()
            raise

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The configured store, migrated where `store_migrate` allows."""
        return cls(settings.store, migrate=settings.store_migrate, wait_s=settings.store_wait_s)

    @property
    def url(self) -> sa.URL:
        """Where the store is."""
        return self.connections.url

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the store opens new ones when used again."""
        self.connections.close()

    def ping(self) -> None:
        """Raise StoreError unless the database answers."""
        with self.connections.snapshot() as connection:
            fetched(connection, "SELECT 1")

    def put_readings(self, readings: Readings, progress: Callable[[int], None] | None = None) -> Stored:
        """Add readings. A version whose value is that of the version heard last before it is not new.

        `progress` is told the number of rows of each batch done.
        """
        accepted, frame = 0, readings.frame
        with self.connections.transaction(alone=True) as connection:
            for start in range(0, len(frame), BATCH):
                batch = frame.iloc[start : start + BATCH]
                new = _unheard(batch, framed(keyed(connection, schema.READINGS, "measured_at", batch), schema.READINGS))
                if len(new):
                    insert(connection, schema.READINGS, new)
                    _raise_versions(connection, new["bin_id"])
                accepted += len(new)
                if progress:
                    progress(len(batch))
        return Stored(accepted, len(frame) - accepted)

    def put_emptyings(self, emptyings: Emptyings) -> Stored:
        """Add emptyings; of one (bin_id, emptied_at) the row heard first holds."""
        accepted, frame = 0, emptyings.frame
        earlier = ", ".join(f"{c.name} = excluded.{c.name}" for c in schema.EMPTYINGS.columns if not c.primary_key)
        with self.connections.transaction(alone=True) as connection:
            for start in range(0, len(frame), BATCH):
                batch = frame.iloc[start : start + BATCH]
                known = framed(keyed(connection, schema.EMPTYINGS, "emptied_at", batch), schema.EMPTYINGS)
                told = batch.merge(known[["bin_id", "emptied_at", "received_at"]], "left", ["bin_id", "emptied_at"])
                new = batch[~(told["received_at_y"] <= told["received_at_x"]).to_numpy()]
                if len(new):
                    insert(connection, schema.EMPTYINGS, new, f"(bin_id, emptied_at) DO UPDATE SET {earlier}")
                    _raise_versions(connection, new["bin_id"])
                accepted += len(new)
        return Stored(accepted, len(frame) - accepted)

    def put_bins(self, bins: Bins) -> Stored:
        """Put bins: all rows (devices) of a bin replace those that the store had of it. Counts rows."""
        frame = bins.frame
        with self.connections.transaction(alone=True) as connection:
            known = framed(_of_bins(connection, schema.BINS, frame["bin_id"].unique().tolist()), schema.BINS)
            both = pd.concat([frame, Bins.checked(known).frame], ignore_index=True)
            odd = both[~both.duplicated(keep=False)]["bin_id"].unique()
            new = frame[frame["bin_id"].isin(odd)]
            if len(new):
                ids = new["bin_id"].unique().tolist()
                listed, given = _listed(connection, ids)
                sql = f"DELETE FROM bins WHERE bin_id IN (SELECT bin_id FROM {listed} AS k)"
                connection.exec_driver_sql(sql, tuple(given))
                insert(connection, schema.BINS, new)
                _raise_versions(connection, new["bin_id"])
        return Stored(len(new), len(frame) - len(new))

    def history(
        self,
        bin_ids: Iterable[str] | None = None,
        since: pd.Timestamp | None = None,
        until: pd.Timestamp | None = None,
    ) -> History:
        """What the store holds: of these bins (default all), measured or emptied at or after `since`.

        With `until` it is what was known then, as `History.until`; else every version. Bins that have readings but
        were never put count as in UTC, stream mixed. Readings come in one query.
        """
        ids = None if bin_ids is None else sorted(set(bin_ids))
        with self.connections.snapshot() as connection:
            readings = self._window(connection, schema.READINGS, "measured_at", ids, since, until)
            emptyings = self._window(connection, schema.EMPTYINGS, "emptied_at", ids, since, until)
            bins = framed(_of_bins(connection, schema.BINS, ids), schema.BINS)
            heard = [row[0] for row in _of_bins(connection, schema.VERSIONS, ids)]
        unnamed = pd.DataFrame({"bin_id": sorted(set(heard) - set(bins["bin_id"]))}, dtype="str")
        bins = pd.concat([bins, unnamed.assign(timezone=UNNAMED_ZONE)], ignore_index=True)
        history = History(Readings.sorted(readings), Emptyings.checked(emptyings), Bins.checked(bins))
        return history if until is None else history.until(until)

    def bins(self) -> Bins:
        """The bins that were put."""
        with self.connections.snapshot() as connection:
            return Bins.checked(framed(_of_bins(connection, schema.BINS, None), schema.BINS))

    def versions(self, bin_ids: Iterable[str] | None = None) -> dict[str, int]:
        """How often each bin's data changed; a bin never heard of is not in it."""
        ids = None if bin_ids is None else sorted(set(bin_ids))
        with self.connections.snapshot() as connection:
            return {row[0]: int(row[1]) for row in _of_bins(connection, schema.VERSIONS, ids)}

    def _window(
        self,
        connection: sa.Connection,
        table: sa.Table,
        time: str,
        ids: list[str] | None,
        since: pd.Timestamp | None,
        until: pd.Timestamp | None,
    ) -> pd.DataFrame:
        """Rows of these bins in the order of their key; bin by bin, so that the key's index serves the times."""
        mark = "%s" if is_postgres(connection) else "?"
        listed, given = _listed(connection, ids)
        tests = ["r.bin_id = k.bin_id"]
        for test, moment in ((f"r.{time} >= {mark}", since), (f"r.received_at <= {mark}", until)):
            if moment is not None:
                tests.append(test)
                given.append(_microsecond(moment))
        wanted = ", ".join(f"r.{column.name}" for column in table.columns)
        order = ", ".join(f"r.{column.name}" for column in table.primary_key.columns)
        join = "JOIN" if is_postgres(connection) else "CROSS JOIN"
        sql = f"SELECT {wanted} FROM {listed} AS k {join} {table.name} r ON {' AND '.join(tests)} ORDER BY {order}"
        return framed(fetched(connection, sql.replace("ORDER BY r.bin_id", "ORDER BY k.bin_id"), given), table)

    def _prepare(self, may_migrate: bool) -> None:
        """Bring the store to this code's revision, or refuse it; of several processes that start, one does."""
        with self.connections.snapshot() as connection:
            found = revision_of(connection)
        if found == REVISION:
            return
        if not may_migrate:
            check_revision(self.url, found)
        with self.connections.transaction(alone=True) as connection:
            migrate(connection)


def _unheard(batch: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Rows of the batch that say something new beside the stored versions of the same measurements."""
    if known.empty:
        return batch
    both = pd.concat([known.assign(new=False), batch.assign(new=True)], ignore_index=True)
    both = both.sort_values([*ORDER, "fill_pct", "new"], kind="stable").reset_index(drop=True)
    return both[both["new"].to_numpy() & ~repeats(both)].drop(columns="new")


def _raise_versions(connection: sa.Connection, bin_ids: pd.Series) -> None:
    new = pd.DataFrame({"bin_id": np.sort(bin_ids.unique()), "version": 1})
    insert(connection, schema.VERSIONS, new, "(bin_id) DO UPDATE SET version = bin_versions.version + 1")


def _listed(connection: sa.Connection, ids: list[str] | None) -> tuple[str, list[Any]]:
    """A subquery with the column bin_id, sorted, and its parameters."""
    if ids is None:
        return "(SELECT bin_id FROM bin_versions ORDER BY bin_id)", []
    if is_postgres(connection):
        return "(SELECT unnest(%s::text[]) AS bin_id)", [ids]
    return "(SELECT value AS bin_id FROM json_each(?))", [json.dumps(ids)]


def _of_bins(connection: sa.Connection, table: sa.Table, ids: list[str] | None) -> list[tuple[Any, ...]]:
    names = ", ".join(column.name for column in table.columns)
    if ids is None:
        return fetched(connection, f"SELECT {names} FROM {table.name}")
    listed, given = _listed(connection, ids)
    return fetched(
        connection, f"SELECT {names} FROM {table.name} WHERE bin_id IN (SELECT bin_id FROM {listed} AS k)", given
    )


def _microsecond(moment: pd.Timestamp) -> int:
    return int(moment.tz_convert("UTC").as_unit("us").asm8.astype("int64"))
