"""Many rows at once, to a database and back: one statement per batch, on SQLite and PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

ARRAYS = {"BIGINT": "bigint[]", "DOUBLE": "double precision[]", "TEXT": "text[]"}


def is_postgres(connection: sa.Connection) -> bool:
    """Whether PostgreSQL is spoken, not SQLite."""
    return connection.dialect.name == "postgresql"


def microseconds(times: pd.Series) -> list[int | None]:
    """Times as whole microseconds since 1970, None where missing."""
    values: list[Any] = times.to_numpy(dtype="datetime64[us]").astype(np.int64).tolist()
    if times.isna().any():
        return [None if gone else value for value, gone in zip(values, times.isna().tolist(), strict=True)]
    return values


def microsecond(moment: pd.Timestamp) -> int:
    """A moment as whole microseconds since 1970."""
    return int(moment.tz_convert("UTC").as_unit("us").asm8.astype("int64"))


def columns_of(frame: pd.DataFrame, table: sa.Table) -> list[list[Any]]:
    """The table's columns as plain lists, missing values and missing columns as None."""
    columns: list[list[Any]] = []
    for column in table.columns:
        values = frame.get(column.name)
        if values is None:
            columns.append([None] * len(frame))
        elif isinstance(values.dtype, pd.DatetimeTZDtype):
            columns.append(microseconds(values))
        elif values.isna().any():
            columns.append(values.astype(object).where(values.notna(), None).tolist())
        else:
            columns.append(values.tolist())
    return columns


def insert(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame, on_conflict: str = "DO NOTHING") -> int:
    """Insert all rows of a frame in one statement; how many rows were new, or changed."""
    columns = columns_of(frame, table)
    names = ", ".join(column.name for column in table.columns)
    tail = f"ON CONFLICT {on_conflict}" if table.primary_key.columns else ""
    if is_postgres(connection):
        kinds = [f"%s::{ARRAYS[_kind(column)]}" for column in table.columns]
        sql = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({', '.join(kinds)}) {tail}"
        return connection.exec_driver_sql(sql, tuple(columns)).rowcount
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))}) {tail}"
    return connection.exec_driver_sql(sql, list(zip(*columns, strict=True))).rowcount


def _kind(column: sa.Column) -> str:
    return {sa.BigInteger: "BIGINT", sa.Double: "DOUBLE"}.get(type(column.type), "TEXT")


def keyed(connection: sa.Connection, table: sa.Table, time: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The stored rows whose (bin_id, `time`) is one of the frame's."""
    ids, times = frame["bin_id"].tolist(), microseconds(frame[time])
    wanted = ", ".join(f"r.{column.name}" for column in table.columns)
    if is_postgres(connection):
        asked = f"(SELECT DISTINCT * FROM unnest(%s::text[], %s::bigint[]) AS k(bin_id, {time})) AS k"
        given: tuple[Any, ...] = (ids, times)
    else:
        asked = f"(SELECT DISTINCT value->>0 AS bin_id, value->>1 AS {time} FROM json_each(?)) AS k"
        given = (json.dumps(list(zip(ids, times, strict=True))),)
    # CROSS JOIN keeps SQLite from scanning the large table first; PostgreSQL decides by itself.
    join = "JOIN" if is_postgres(connection) else "CROSS JOIN"
    sql = f"SELECT {wanted} FROM {asked} {join} {table.name} r ON r.bin_id = k.bin_id AND r.{time} = k.{time}"
    return framed(fetched(connection, sql, given), table)


def listed(connection: sa.Connection, ids: Sequence[str]) -> tuple[str, list[Any]]:
    """A subquery with the column bin_id, in the order of `ids`, and its parameters."""
    if is_postgres(connection):
        return "(SELECT unnest(%s::text[]) AS bin_id)", [list(ids)]
    return "(SELECT value AS bin_id FROM json_each(?))", [json.dumps(list(ids))]


def of_bins(
    connection: sa.Connection, table: sa.Table, ids: Sequence[str] | None, more: Mapping[str, int] | None = None
) -> list[tuple[Any, ...]]:
    """The table's rows of these bins, or of all; `more`: further tests, as `{"emptied_at >=": 0}`."""
    names = ", ".join(column.name for column in table.columns)
    tests, given = ["1 = 1"], list[Any]()
    if ids is not None:
        asked, given = listed(connection, ids)
        tests.append(f"bin_id IN (SELECT bin_id FROM {asked} AS k)")
    for test, value in (more or {}).items():
        tests.append(f"{test} {'%s' if is_postgres(connection) else '?'}")
        given.append(value)
    return fetched(connection, f"SELECT {names} FROM {table.name} WHERE {' AND '.join(tests)}", given)


def fetched(connection: sa.Connection, sql: str, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows as the driver's own tuples: wrapping each would cost as much as reading it."""
    result = connection.exec_driver_sql(sql, tuple(given))
    cursor = result.cursor
    rows: list[tuple[Any, ...]] = list(cursor.fetchall()) if cursor is not None else []
    result.close()
    return rows


def framed(rows: list[tuple[Any, ...]], table: sa.Table) -> pd.DataFrame:
    """Stored rows as a frame with times in UTC, text as `str` and numbers as floats."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
    frame = {}
    for column, values in zip(table.columns, columns, strict=True):
        match _kind(column):
            case "BIGINT":
                frame[column.name] = times(values)
            case "DOUBLE":
                frame[column.name] = pd.Series(np.array(values, dtype=float))
            case _:
                frame[column.name] = pd.Series(values, dtype="str")
    return pd.DataFrame(frame)


def times(values: Sequence[int | None]) -> pd.Series:
    """Stored moments in UTC, NaT where there is none."""
    if None in values:
        values = [np.iinfo(np.int64).min if value is None else value for value in values]
    us = np.array(values, dtype=np.int64).view("datetime64[us]")
    return pd.Series(us).dt.tz_localize("UTC")
