"""The tables a command is given, read and cleaned together."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data.bins import Bins
from data.cleaning import clean, clean_bins, clean_emptyings, clean_weather
from data.databases import is_store
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.readings import Readings, Rejected
from data.sources import read_table, share_mapping, unknown_columns
from data.weather import Weather


@dataclass(frozen=True)
class Inputs:
    """What was read: clean tables, what was set aside of each, and which columns were ignored.

    `bins` is None when no bins table was given; `rows` and `unknown_columns` are by table; `retold` as in `Cleaned`.
    """

    readings: Readings
    retold: pd.DataFrame
    bins: Bins | None
    emptyings: Emptyings
    weather: Weather
    rows: Mapping[str, int]
    rejected: Mapping[str, Rejected]
    unknown_columns: Mapping[str, tuple[str, ...]]

    @property
    def history(self) -> History:
        """The history they make; without a bins table, bins are in UTC and of mixed waste."""
        return History.of(self.readings, self.emptyings, self.bins, self.weather)

    def rejected_rows(self) -> pd.DataFrame:
        """All rows set aside: table, row, bin_id, reason, detail and the source's columns as text."""
        rows = pd.concat([aside.frame.assign(table=name) for name, aside in self.rejected.items()], ignore_index=True)
        return rows[["table", *(name for name in rows.columns if name != "table")]]


def read_inputs(
    readings: str,
    bins: str | None = None,
    emptyings: str | None = None,
    weather: str | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str | None = None,
) -> Inputs:
    """Read and clean files or databases; a Brimcast store brings its own tables unless others are given.

    Raises InputError when a table cannot be read; no usable row is no error here (see `need_readings`).
    """
    if is_store(readings):
        bins, emptyings, weather = bins or readings, emptyings or readings, weather or readings
    shares = share_mapping(mapping or {})
    rows: dict[str, int] = {}
    rejected: dict[str, Rejected] = {}
    unknown: dict[str, tuple[str, ...]] = {}

    def read(source: str, table: str) -> pd.DataFrame:
        raw = read_table(source, table, mapping=shares.get(table), timezone=timezone)
        rows[table], unknown[table] = len(raw), unknown_columns(raw, table)
        return raw

    known: Bins | None = None
    reported, told = Emptyings.none(), Weather.none()
    if bins is not None:
        known, rejected["bins"] = clean_bins(read(bins, "bins"), timezone=timezone)
    cleaned = clean(read(readings, "readings"), known, timezone=timezone)
    rejected["readings"] = cleaned.rejected
    if emptyings is not None:
        reported, rejected["emptyings"] = clean_emptyings(read(emptyings, "emptyings"), known, timezone=timezone)
    if weather is not None:
        told, rejected["weather"] = clean_weather(read(weather, "weather"), timezone=timezone)
    return Inputs(cleaned.readings, cleaned.retold, known, reported, told, rows, rejected, unknown)


def need_readings(inputs: Inputs, source: str) -> None:
    """Raise InputError when not one reading is usable."""
    if not len(inputs.readings):
        rejected = inputs.rejected["readings"]
        counts = ", ".join(f"{n:,} {reason}" for reason, n in rejected.counts().items())
        bins, of_bins = inputs.rejected.get("bins"), ""
        if bins is not None and len(bins):
            of_bins = (
                f"; of the bins table {len(bins):,} of {inputs.rows['bins']:,} rows were set aside, {_first(bins)}"
            )
        raise InputError(
            f"None of the {inputs.rows['readings']:,} rows of {source} is usable ({counts}; "
            f"{_first(rejected)}{of_bins})",
            expected="at least one reading",
            remedy="See each row's reason with: brimcast data check --readings R --rejected OUT.csv",
        )


def _first(rejected: Rejected) -> str:
    """The first row that was set aside, and why."""
    return f"row {rejected.frame['row'].iloc[0]}: {rejected.frame['detail'].iloc[0]}"
