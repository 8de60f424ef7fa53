"""The recent window of some bins, read by the key's index alone, bin by bin, and without a Python object per row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data import schema
from data.batches import fetched, is_postgres, microsecond

GROUP = 50  # bins per query: bounds the memory in between
NUMBERS = ("fill_pct", "temperature_c", "battery_pct", "quality")
BARE = ("fill_pct",)
TIMES = ("measured_at", "received_at")
KEY = ["bin_id", *TIMES, "fill_pct"]


def read_window(
    connection: sa.Connection,
    ids: Sequence[str],
    since: pd.Timestamp | None,
    until: pd.Timestamp | None,
    names: Sequence[str] = NUMBERS,
) -> pd.DataFrame:
    """Readings of these bins (sorted), measured at or after `since`, heard until `until`; rows in the key's order.

    `names`: the columns of numbers to read, BARE or NUMBERS.
    """
    read = _arrays if is_postgres(connection) else _rows
    places, parts = list[np.ndarray](), list[list[np.ndarray]]()
    for start in range(0, max(len(ids), 1), GROUP):
        place, *columns = read(connection, ids[start : start + GROUP], since, until, names)
        places.append(place + start)
        parts.append(columns)
    columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return _framed(ids, np.concatenate(places), dict(zip((*TIMES, *names), columns, strict=True)))


def window_query(
    connection: sa.Connection,
    ids: Sequence[str],
    since: pd.Timestamp | None,
    until: pd.Timestamp | None,
    names: Sequence[str] = NUMBERS,
) -> tuple[str, tuple[Any, ...]]:
    """The query of one group, whose rows begin with the place of the bin in `ids`, and its parameters."""
    postgres = is_postgres(connection)
    mark = "%s" if postgres else "?"
    tests = [f"r.bin_id = {'k.bin_id' if postgres else 'j.value'}"]
    given: list[Any] = [list(ids) if postgres else json.dumps(list(ids))]
    for test, moment in ((f"r.measured_at >= {mark}", since), (f"r.received_at <= {mark}", until)):
        if moment is not None:
            tests.append(test)
            given.append(microsecond(moment))
    where = " AND ".join(tests)
    if not postgres:
        # CROSS JOIN keeps the order of the tables; what is missing becomes infinite, which no reading is.
        numbers = ", ".join("r.fill_pct" if name in BARE else f"coalesce(r.{name}, 9e999)" for name in names)
        sql = (
            f"SELECT j.key, r.measured_at, r.received_at, {numbers} FROM json_each(?) AS j "
            f"CROSS JOIN readings AS r ON {where}"
        )
        return sql, tuple(given)
    # A subquery in an order of its own is not merged with the rest: one index scan per bin, never a sort of all rows.
    wanted = ", ".join((*TIMES, *names))
    inner = f"SELECT {wanted} FROM readings r WHERE {where} ORDER BY r.measured_at, r.received_at, r.fill_pct"
    numbers = ", ".join(f"string_agg(float8send(coalesce(r.{name}, 'NaN')), '')" for name in names)
    times = ", ".join(f"string_agg(int8send(r.{name}), '')" for name in TIMES)
    sql = (
        f"SELECT string_agg(int4send(k.place::int4), ''), {times}, {numbers} "
        f"FROM unnest(%s::text[]) WITH ORDINALITY AS k(bin_id, place) CROSS JOIN LATERAL ({inner}) AS r"
    )
    return sql, tuple(given)


def _arrays(
    connection: sa.Connection,
    ids: Sequence[str],
    since: pd.Timestamp | None,
    until: pd.Timestamp | None,
    names: Sequence[str],
) -> list[np.ndarray]:
    """From PostgreSQL: each column as one string of bytes. The place of each row's bin, its times, its numbers."""
    [row] = fetched(connection, *window_query(connection, ids, since, until, names))
    place, *columns = (value or b"" for value in row)
    times = [np.frombuffer(column, ">i8").astype(np.int64) for column in columns[: len(TIMES)]]
    numbers = [np.frombuffer(column, ">f8").astype(float) for column in columns[len(TIMES) :]]
    return [np.frombuffer(place, ">i4").astype(np.intp) - 1, *times, *numbers]


def _rows(
    connection: sa.Connection,
    ids: Sequence[str],
    since: pd.Timestamp | None,
    until: pd.Timestamp | None,
    names: Sequence[str],
) -> list[np.ndarray]:
    """From SQLite, likewise: rows of numbers alone; a double holds our microseconds exactly until the year 2255."""
    rows = fetched(connection, *window_query(connection, ids, since, until, names))
    width = 1 + len(TIMES) + len(names)
    flat = np.fromiter(chain.from_iterable(rows), float, count=len(rows) * width).reshape(-1, width)
    times = [flat[:, 1 + column].astype(np.int64) for column in range(len(TIMES))]
    numbers = [np.where(np.isinf(column), np.nan, column) for column in flat[:, 1 + len(TIMES) :].T]
    return [flat[:, 0].astype(np.intp), *times, *numbers]


def _framed(ids: Sequence[str], place: np.ndarray, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    frame: dict[str, Any] = {"bin_id": pd.Series(list(ids), dtype="str").take(place).reset_index(drop=True)}
    for name in TIMES:
        frame[name] = pd.Series(columns[name].view("datetime64[us]")).dt.tz_localize("UTC")
    frame |= {name: values for name, values in columns.items() if name not in TIMES}
    read = pd.DataFrame(frame)[[column.name for column in schema.READINGS.columns if column.name in frame]]
    later = np.diff(place)
    if ((later > 0) | ((later == 0) & (np.diff(columns["measured_at"]) >= 0))).all():
        return read
    return read.sort_values(KEY, kind="stable", ignore_index=True)  # no database has been seen to
