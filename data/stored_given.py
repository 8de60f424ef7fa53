"""Forecasts given, in the store: append-only; of each bin, hour and horizon one by a role and model, the first told.

So whoever asks again, and however many processes answer, the table grows by the hour and not by the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, framed, insert, is_postgres, microsecond, times
from data.given import Given
from data.stored import BATCH, Stored
from data.tables import GIVEN


def put_given(connection: sa.Connection, given: Given) -> Stored:
    """Add forecasts in the caller's transaction; those of a bin, hour, horizon, role and model that it has stay."""
    frame, ahead = given.frame, given.frame["at"] - given.frame["as_of"]
    frame = frame.assign(hour=frame["as_of"].dt.floor("h"), horizon_h=ahead.dt.total_seconds() / 3600)
    parts = (frame.iloc[start : start + BATCH] for start in range(0, len(frame), BATCH))
    accepted = sum(insert(connection, schema.GIVEN, part) for part in parts)
    return Stored(accepted, len(frame) - accepted)


def read_given(
    connection: sa.Connection, since: pd.Timestamp, until: pd.Timestamp, roles: Sequence[str] | None = None
) -> Given:
    """Forecasts made at or after `since` and before `until`, by these roles (default: all), in order of the hour.

    Read a day at a time, from the first forecast kept to the last: the driver's rows take five times its memory.
    """
    ends = "SELECT (SELECT min(hour) FROM given_forecasts), (SELECT max(hour) FROM given_forecasts)"
    first, last = times(fetched(connection, ends)[0])
    if pd.isna(first):
        first = last = since
    since, until = max(since, first), min(until, last + pd.Timedelta(hours=1))
    bounds = [since, *pd.date_range(since, until, freq="1D", inclusive="neither"), max(since, until)]
    parts = [_read(connection, start, end, roles) for start, end in pairwise(bounds)]
    return Given(pd.concat(parts, ignore_index=True))


def _read(
    connection: sa.Connection, since: pd.Timestamp, until: pd.Timestamp, roles: Sequence[str] | None
) -> pd.DataFrame:
    mark = "%s" if is_postgres(connection) else "?"
    names = ", ".join(column.name for column in schema.GIVEN.columns)
    begin, end = microsecond(since), microsecond(until)
    tests = f"hour >= {mark} AND hour < {mark} AND as_of >= {mark} AND as_of < {mark}"
    given: list[object] = [microsecond(since.floor("h")), end, begin, end]
    if roles is not None:
        tests += f" AND role IN ({', '.join([mark] * len(roles))})"
        given += roles
    key = ", ".join(column.name for column in schema.GIVEN.primary_key.columns)
    sql = f"SELECT {names} FROM given_forecasts WHERE {tests} ORDER BY {key}"
    return framed(fetched(connection, sql, given), schema.GIVEN)[list(GIVEN.columns)]
