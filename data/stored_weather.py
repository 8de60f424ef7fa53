"""Weather in the store: every version, one row for each `at` and `issued_at`."""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, framed, insert, is_postgres, microsecond, of_bins
from data.stored import BATCH, Stored
from data.weather import TIMES, VALUES, Weather

KEY = ", ".join(TIMES)
CORRECTED = ", ".join(f"{name} = excluded.{name}" for name in VALUES)


def put_weather(connection: sa.Connection, weather: Weather) -> Stored:
    """Add weather in the caller's transaction; of one `at` and `issued_at` that row holds which `Weather` keeps."""
    accepted = 0
    for start in range(0, len(weather), BATCH):
        batch = weather.frame.iloc[start : start + BATCH]
        span = {"at >=": microsecond(batch["at"].min()), "at <=": microsecond(batch["at"].max())}
        known = framed(of_bins(connection, schema.WEATHER, None, span), schema.WEATHER)
        both = Weather.checked(pd.concat([known, batch], ignore_index=True)).frame
        told = both.merge(known.drop_duplicates(), "left", list(both.columns), indicator=True)
        new = both[(told["_merge"] == "left_only").to_numpy()]
        if len(new):
            insert(connection, schema.WEATHER, new, f"({KEY}) DO UPDATE SET {CORRECTED}")
        accepted += len(new)
    return Stored(accepted, len(weather) - accepted)


def read_weather(connection: sa.Connection, since: pd.Timestamp | None, until: pd.Timestamp | None) -> Weather:
    """Weather at or after `since`; with `until` of each moment only the version issued last by then. Trusted."""
    tests = {"at >=": since, "issued_at <=": until}
    named = {test: microsecond(moment) for test, moment in tests.items() if moment is not None}
    if until is None:
        rows = of_bins(connection, schema.WEATHER, None, named)
    else:
        mark = "%s" if is_postgres(connection) else "?"
        where = " AND ".join(f"{test} {mark}" for test in named)
        newest = f"SELECT at, max(issued_at) AS issued_at FROM weather WHERE {where} GROUP BY at"
        columns = ", ".join(f"w.{column.name}" for column in schema.WEATHER.columns)
        join = "k.at = w.at AND k.issued_at = w.issued_at"
        rows = fetched(connection, f"SELECT {columns} FROM ({newest}) k JOIN weather w ON {join}", [*named.values()])
    return Weather(framed(rows, schema.WEATHER).sort_values(list(TIMES), kind="stable", ignore_index=True))
