"""What the commands and the pyfunc door read: a clean History, and the windows to forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.bins import Bins
from data.errors import InputError
from data.faults import ids
from data.history import History
from data.inputs import need_readings, read_inputs
from data.sources import read_table
from data.times import EXAMPLE, read_times
from training.grid import HORIZONS_H

TIMES = ("as_of", "at")
VISIT_TIMES = ("planned_at",)
FURTHEST = pd.Timedelta(hours=HORIZONS_H[-1])


@dataclass(frozen=True)
class Heard:
    """A clean history and what there is to say about how it came to be (set aside rows, ignored columns)."""

    history: History
    notes: tuple[str, ...]


def read_history(
    readings: str,
    bins: str | None = None,
    emptyings: str | None = None,
    weather: str | None = None,
    *,
    timezone: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Heard:
    """Read and clean the tables at these files or database URLs. Raises InputError where nothing is left to use."""
    inputs = read_inputs(readings, bins, emptyings, weather, mapping=mapping, timezone=timezone)
    need_readings(inputs, Path(readings).name)
    history = inputs.history
    notes = [
        f"Set aside {len(rejected):,} rows of {inputs.rows[table]:,} {table}: "
        + ", ".join(f"{n:,} {reason}" for reason, n in rejected.counts().items())
        for table, rejected in inputs.rejected.items()
        if len(rejected)
    ]
    notes += [
        f"Ignored columns of the {table}: {', '.join(names)}"
        for table, names in inputs.unknown_columns.items()
        if names
    ]
    if inputs.bins is None:
        named = Bins.named(history.readings.frame["bin_id"].unique(), timezone or "UTC")
        history = History.of(inputs.readings, inputs.emptyings, named, inputs.weather)
        notes.append(f"No bins table: every bin is taken for mixed waste on {timezone or 'UTC'} time")
    if len(history.weather) and not history.weather.foretells:
        notes.append("The weather table holds no row issued before its `at`: of the hours ahead nothing is known")
    return Heard(history, tuple(notes))


def read_windows(source: str, *, timezone: str | None = None) -> pd.DataFrame:
    """The windows of a file or database URL: bin_id, as_of, at (UTC), in their order. Raises InputError."""
    windows, raw = _moments(source, "windows", TIMES, timezone)
    early = (windows["at"] < windows["as_of"]).to_numpy()
    remedy = "A forecast is of a moment after it is made: correct it."
    _refuse(early, raw["at"], source, "`at` before as_of", remedy, TIMES)
    far = (windows["at"] - windows["as_of"] > FURTHEST).to_numpy()
    remedy = "Forecasts reach no further: leave these windows out, or name a later as_of."
    _refuse(far, raw["at"], source, "`at` more than 14 days after as_of", remedy, TIMES)
    return windows


def read_visits(source: str, *, timezone: str | None = None) -> pd.DataFrame:
    """The planned visits of a file or database URL: bin_id, planned_at (UTC). Raises InputError."""
    return _moments(source, "visits", VISIT_TIMES, timezone)[0]


def _moments(
    source: str, table: str, names: tuple[str, ...], timezone: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of bin_id and times, every one of them needed; and as it was found."""
    raw = read_table(source, table, timezone=timezone).reset_index(drop=True)
    read = pd.DataFrame({"bin_id": ids(raw, "bin_id")})
    for name in names:
        times = read_times(raw[name], timezone)
        remedy = "Name its zone with --timezone."
        _refuse(times.naive, raw[name], source, f"{name} without a UTC offset", remedy, names)
        _refuse(times.missing | times.bad, raw[name], source, f"{name} that is no time", "Correct it.", names)
        read[name] = times.utc
    _refuse(read["bin_id"].isna().to_numpy(), raw["bin_id"], source, "no bin_id", "Name the bin.", names)
    return read, raw


def _refuse(
    wrong: NDArray[np.bool_], values: pd.Series, source: str, what: str, remedy: str, names: tuple[str, ...]
) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        count = int(wrong.sum())
        raise InputError(
            f"Row {first} of {source} (counted from 0) has {what}: {values.iloc[first]}; {count:,} such rows",
            expected=f"bin_id, {' and '.join(names)} in every row, ISO 8601 with an offset",
            remedy=remedy,
            example=",".join(["bin-1", EXAMPLE, "2025-02-01T06:00:00+01:00"][: 1 + len(names)]),
        )
