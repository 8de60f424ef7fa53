"""Tables from where they lie: CSV (plain or gzip), Parquet, or a database URL."""

import difflib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.databases import read_database
from data.delimited import read_delimited
from data.errors import InputError
from data.faults import MALFORMED
from data.tables import TABLES
from data.times import EXAMPLE, check_zone, read_times

PARQUET = b"PAR1"
EXTRA = {"readings": ("distance_mm", "device_id")}
NEEDED = {  # each group needs one
    "readings": (("bin_id", "device_id"), ("measured_at",), ("fill_pct", "distance_mm")),
    "bins": (("bin_id",), ("timezone",)),
    "emptyings": (("bin_id",), ("emptied_at",)),
    "weather": (("at",), ("temperature_c", "precipitation_mm")),
    "windows": (("bin_id",), ("as_of",), ("at",)),
    "visits": (("bin_id",), ("planned_at",)),
}
TIMES = {
    name: tuple(column for column, told in schema.columns.items() if "UTC" in str(told.dtype))
    for name, schema in TABLES.items()
}
MAY_BE_EMPTY = ("emptyings", "weather")
MAPPED = ("readings", "bins", "emptyings")
"""The tables whose columns `--map` can name."""


def read_table(
    source: str | Path, table: str, *, mapping: Mapping[str, str] | None = None, timezone: str | None = None
) -> pd.DataFrame:
    """Read one of the contract's tables, raw: text and numbers as found, times in UTC where every row has one.

    `mapping`: our column -> theirs. `timezone`: the IANA zone of times without an offset (and of bins without a
    timezone). Values that make no sense stay for `clean` to set aside. Raises InputError when the whole cannot be
    used: nothing there, no table, a column lacking, times without an offset and no zone named for them.
    """
    if timezone is not None:
        check_zone(timezone)
    frame = read_database(str(source), table) if "://" in str(source) else _read_file(Path(source))
    frame = _renamed(frame, table, mapping or {}, str(source))
    if table == "bins" and "timezone" not in frame and timezone is not None:
        frame = frame.assign(timezone=timezone)
    _check_columns(frame, table, str(source))
    if frame.empty and table not in MAY_BE_EMPTY:
        raise InputError(f"{source} has a header but no rows", expected=f"at least one row of {table}",
                         remedy="Check how it was made.")  # fmt: skip
    for name in TIMES[table]:
        if name in frame:
            frame[name] = _placed(frame[name], name, timezone, str(source))
    return frame


def read_mapping(pairs: list[str]) -> dict[str, str]:
    """Read `--map` words such as fill_pct=Fullness. Raises InputError."""
    split = [pair.partition("=") for pair in pairs]
    wrong = [pair for pair, (ours, _, theirs) in zip(pairs, split, strict=True) if not ours or not theirs]
    if wrong:
        raise InputError(f"--map {wrong[0]!r} has no '='", expected="OURS=THEIRS", remedy="Write it so.",
                         example="--map fill_pct=Fullness")  # fmt: skip
    return {ours.strip(): theirs.strip() for ours, _, theirs in split}


def share_mapping(mapping: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Of one command's `--map` words those that each table can mean; columns of readings are theirs alone.

    Raises InputError for a name that no table has.
    """
    shares: dict[str, dict[str, str]] = {table: {} for table in MAPPED}
    for ours, theirs in mapping.items():
        table = next((name for name in MAPPED if ours in _columns(name)), None)
        if table is None:
            raise InputError(
                f"--map {ours}={theirs}: there is no column {ours!r}",
                expected=", ".join(_columns("readings")),
                remedy="Write it as OURS=THEIRS, such as --map fill_pct=Fullness.",
            )
        shares[table][ours] = theirs
    return shares


def _columns(table: str) -> tuple[str, ...]:
    return (*TABLES[table].columns, *EXTRA.get(table, ()))


def unknown_columns(frame: pd.DataFrame, table: str) -> tuple[str, ...]:
    """Columns that the table does not have; they are ignored."""
    known = {*_columns(table), MALFORMED}
    return tuple(str(name) for name in frame.columns if name not in known)


def _read_file(path: Path) -> pd.DataFrame:
    expected = "a CSV or Parquet file, or a database URL"
    if path.is_dir():
        raise InputError(f"{path} is a directory", expected=expected, remedy="Name the file inside it.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}", expected=expected, remedy="Check the path.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})", expected=expected, remedy="Check its rights.") from error
    if not start:
        raise InputError(f"{path} is empty", expected="a table with a header and rows", remedy="Check how it was made.")
    if start == PARQUET or (path.suffix == ".parquet" and not start.isascii()):
        return _read_parquet(path)
    return read_delimited(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pq.ParquetFile(path).read().to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a whole Parquet file ({' '.join(str(error).split())[:160]})",
            expected="a Parquet file that was written to its end",
            remedy="Copy or write it again.",
        ) from error


def _renamed(frame: pd.DataFrame, table: str, mapping: Mapping[str, str], source: str) -> pd.DataFrame:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise InputError(f"{source} has two columns named {doubled[0]!r}", expected="each name once",
                         remedy="Rename one.")  # fmt: skip
    known = _columns(table)
    for ours, theirs in mapping.items():
        if ours not in known:
            raise InputError(f"--map {ours}={theirs}: {table} have no column {ours!r}", expected=", ".join(known),
                             remedy="Write it as OURS=THEIRS, such as --map fill_pct=Fullness.")  # fmt: skip
        if theirs not in frame:
            raise InputError(f"--map {ours}={theirs}: {source} has no column {theirs!r}",
                             expected=f"one of {', '.join(frame.columns)}", remedy="Correct the name.")  # fmt: skip
    taken = {ours: frame[theirs] for ours, theirs in mapping.items()}
    return frame.drop(columns=[n for n in frame if n in mapping or n in mapping.values()]).assign(**taken)


def _check_columns(frame: pd.DataFrame, table: str, source: str) -> None:
    for group in NEEDED[table]:
        if not any(name in frame for name in group):
            theirs = {name.casefold().replace(" ", "_"): name for name in frame.columns}
            near = difflib.get_close_matches(group[0], theirs, n=1, cutoff=0.6)
            guess = theirs[near[0]] if near else "NAME"
            raise InputError(
                f"{source} has no column {' or '.join(group)}; it has {', '.join(frame.columns)[:300]}",
                expected=f"the columns {', '.join(names[0] for names in NEEDED[table])} of {table}",
                remedy=f"If it goes by another name, say so: --map {group[0]}={guess!s}"
                if table in MAPPED
                else f"If it goes by another name, rename it to {group[0]}.",
            )


def _placed(column: pd.Series, name: str, timezone: str | None, source: str) -> pd.Series:
    """The column in UTC when all its values are times; else as text, so that each bad one can be quoted."""
    times = read_times(column, timezone)
    told = int((~times.missing & ~times.bad).sum())
    if 2 * int(times.naive.sum()) > told:
        value = column[times.naive].iloc[0]
        raise InputError(
            f"{source} has {name} without a UTC offset ({value})",
            expected="ISO 8601 with an offset, or a named zone",
            example=EXAMPLE,
            remedy="Name its zone, for example with --timezone Europe/Prague",
        )
    wrong = times.naive | times.bad
    if not wrong.any():
        return times.utc
    text = times.utc.astype("str").where(times.utc.notna())
    return text.where(~wrong, column.astype("str")) if np.any(~times.missing) else column
