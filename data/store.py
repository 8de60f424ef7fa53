from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from data.batches import fetched
from data.bin_versions import bins_after, lock_bins, read_versions
from data.bins import Bins
from data.connections import Connections, StoreError
from data.databases import unreachable
from data.emptyings import Emptyings
from data.errors import InputError
from data.given import Given
from data.history import History
from data.migration import check_revision, migrate, revision_of
from data.readings import Readings
from data.schema import REVISION
from data.settings import Settings
from data.stored import Stored
from data.stored_bins import any_bins, bins_with, put_bins, read_bins
from data.stored_emptyings import put_emptyings, read_emptyings
from data.stored_given import put_given, read_given
from data.stored_readings import put_readings
from data.stored_weather import put_weather, read_weather
from data.weather import Weather
from data.windows import BARE, NUMBERS, read_window

__all__ = ["Store", "StoreError", "Stored"]


class Store:
    """Bins, readings (every version), emptyings, weather and forecasts given, in SQLite or PostgreSQL; for threads.

    Each `put_...` is one transaction: it holds wholly or not at all, raises the version of the bins it changed, and
    when put again changes nothing. `migrate`: bring an older or an empty store to this code's revision, instead of
    refusing it. Raises InputError when `url` is no usable store (SchemaError: not of this revision), StoreError when a
    call fails.
    """

    def __init__(self, url: str, *, migrate: bool = True, wait_s: float | None = None) -> None:
        self.connections = Connections(url, wait_s, make=migrate)
        try:
            self._prepare(migrate)
        except (SQLAlchemyError, StoreError) as error:
            self.close()
            raise unreachable(self.url, error) from error
        except InputError:
            self.close()
            raise

    @classmethod
    def of(cls, settings: Settings, wait_s: float | None = None) -> Store:
        """The configured store, migrated where `store_migrate` allows; `wait_s` where nothing is configured."""
        return cls(settings.store, migrate=settings.store_migrate, wait_s=settings.store_wait_s or wait_s)

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

    def put_readings(
        self,
        readings: Readings,
        progress: Callable[[int], None] | None = None,
        *,
        stamped: pd.Timestamp | None = None,
        retold: pd.DataFrame | None = None,
    ) -> Stored:
        """Add readings. A version whose value is that of the version heard last before it is not new.

        `progress` is told the number of rows of each batch done. `stamped`: the `received_at` that we gave to rows
        which brought none; of those, one that only repeats a stored value (a retried post) is not kept at all.
        `retold`: what only repeats `readings` (`Cleaned.retold`), and may become a version by what is heard later.
        """
        with self.connections.transaction() as connection:
            return put_readings(connection, readings, stamped, progress, retold)

    def put_emptyings(self, emptyings: Emptyings) -> Stored:
        """Add emptyings; of one (bin_id, emptied_at) the row heard first holds."""
        with self.connections.transaction() as connection:
            return put_emptyings(connection, emptyings)

    def put_bins(self, bins: Bins) -> Stored:
        """Put bins: all rows (devices) of a bin replace those that the store had of it. Counts rows."""
        with self.connections.transaction() as connection:
            return put_bins(connection, bins)

    def put_given(self, given: Given) -> Stored:
        """Add forecasts that were given; of a bin, hour, horizon, role and model the first told holds."""
        with self.connections.transaction() as connection:
            return put_given(connection, given)

    def put_weather(self, weather: Weather) -> Stored:
        """Add weather; what was issued for the same moment at the same time again changes nothing."""
        with self.connections.transaction() as connection:
            return put_weather(connection, weather)

    def put(
        self,
        readings: Readings,
        emptyings: Emptyings | None = None,
        bins: Bins | None = None,
        progress: Callable[[int], None] | None = None,
        retold: pd.DataFrame | None = None,
        weather: Weather | None = None,
    ) -> dict[str, Stored]:
        """Put all that is given in one transaction; counts by table, without `retold`."""
        done: dict[str, Stored] = {}
        tables = [part.frame["bin_id"] for part in (readings, emptyings, bins) if part is not None]
        with self.connections.transaction() as connection:
            lock_bins(connection, pd.concat(tables))
            if bins is not None:
                done["bins"] = put_bins(connection, bins)
            if emptyings is not None:
                done["emptyings"] = put_emptyings(connection, emptyings)
            if weather is not None:
                done["weather"] = put_weather(connection, weather)
            stored = put_readings(connection, readings, progress=progress, retold=retold)
            again = 0 if retold is None else len(retold)
            done["readings"] = Stored(stored.accepted, stored.unchanged - again)
        return done

    def history(
        self,
        bin_ids: Iterable[str] | None = None,
        since: pd.Timestamp | None = None,
        until: pd.Timestamp | None = None,
        *,
        bare: bool = False,
    ) -> History:
        """What the store holds: of these bins (default all), measured or emptied at or after `since`.

        With `until` it is what was known then, as `History.until`; else every version. Bins that have readings but
        were never put count as in UTC, stream mixed. `bare`: readings without temperature, battery and quality, which
        no forecast needs, in half the time, and no weather (see `weather`).
        """
        return self.versioned(bin_ids, since, until, bare=bare)[0]

    def versioned(
        self,
        bin_ids: Iterable[str] | None = None,
        since: pd.Timestamp | None = None,
        until: pd.Timestamp | None = None,
        *,
        bare: bool = False,
    ) -> tuple[History, dict[str, int]]:
        """The history and the versions of its bins, both of one moment: what else has these versions is as fresh."""
        asked = None if bin_ids is None else sorted(set(bin_ids))
        with self.connections.snapshot() as connection:
            versions = read_versions(connection, asked)
            ids = sorted(versions)  # who has rows has a version
            readings = read_window(connection, ids, since, until, BARE if bare else NUMBERS)
            emptyings = read_emptyings(connection, None if asked is None else ids, since, until)
            bins = read_bins(connection, None if asked is None else ids, heard=ids)
            weather = Weather.none() if bare else read_weather(connection, since, until)
        history = History(Readings.sorted(readings), emptyings, bins, weather)
        return (history if until is None else history.until(until)), versions

    def given(self, since: pd.Timestamp, until: pd.Timestamp, roles: Sequence[str] | None = None) -> Given:
        """Forecasts given at or after `since` and before `until`, by these roles (default: all)."""
        with self.connections.snapshot() as connection:
            return read_given(connection, since, until, roles)

    def weather(self, since: pd.Timestamp | None = None, until: pd.Timestamp | None = None) -> Weather:
        """The weather at or after `since`; with `until` of each moment only the version issued last by then."""
        with self.connections.snapshot() as connection:
            return read_weather(connection, since, until)

    def bins(self) -> Bins:
        """The bins that were put."""
        with self.connections.snapshot() as connection:
            return read_bins(connection, None)

    def page(self, after: str, limit: int) -> Bins:
        """The first `limit` bins, put or heard of, whose bin_id comes after this one."""
        with self.connections.snapshot() as connection:
            ids = bins_after(connection, after, limit)
            return read_bins(connection, ids, heard=ids)

    def known(self, bin_ids: Iterable[str], devices: Iterable[str] = ()) -> Bins | None:
        """Of these bins, and of those in which these devices sat, the ones put or heard of; None where none was put."""
        with self.connections.snapshot() as connection:
            if not any_bins(connection):
                return None
            ids = sorted({*bin_ids, *bins_with(connection, sorted(set(devices)))})
            return read_bins(connection, ids, heard=sorted(read_versions(connection, ids)))

    def versions(self, bin_ids: Iterable[str] | None = None) -> dict[str, int]:
        """How often each bin's data changed, in one query; a bin never heard of is not in it."""
        with self.connections.snapshot() as connection:
            return read_versions(connection, None if bin_ids is None else sorted(set(bin_ids)))

    def _prepare(self, may_migrate: bool) -> None:
        """Bring the store to this code's revision, or refuse it; of several processes that start, one does."""
        found = None
        try:
            with self.connections.snapshot() as connection:
                found = revision_of(connection)
        except StoreError as error:  # another process may be migrating: what was a table is none by the next query
            if not (may_migrate and isinstance(error.__cause__, ProgrammingError)):
                raise
        if found == REVISION:
            return
        if not may_migrate:
            check_revision(self.url, found)
        with self.connections.transaction(alone=True) as connection:
            migrate(connection)
