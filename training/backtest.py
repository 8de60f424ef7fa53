from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from data.outputs import whole, write_table
from data.tables import FULL_PCT
from training.baselines import Forecaster
from training.hindsight import Hindsight
from training.labels import asks, label
from training.report import report
from training.scores import KEY, ROUNDING_PCT, row_scores, summary
from training.slices import SLICES, slices_of

FACTS = (*(name for name in SLICES if name != "status"), "full_pct")


@dataclass(frozen=True)
class Backtest:
    """Forecasts of many origins, and what came true.

    windows: every window asked (bin_id, as_of, at, its slices, see `slices_of`, and the bin's own full_pct, by which
    p_full is judged), with horizon_h and y where it could be scored, NaN elsewhere; forecasts: the contract's table by
    forecaster, rows as `windows`.
    """

    windows: pd.DataFrame
    forecasts: Mapping[str, pd.DataFrame]
    _rows: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @property
    def scorable(self) -> pd.DataFrame:
        """The windows that can be scored, with their position in `windows` as index."""
        return self.windows.dropna(subset="y")

    def rows(self, name: str) -> pd.DataFrame:
        """`row_scores` of one forecaster, with cover50 and the forecasts' status."""
        if name not in self._rows:
            scorable = self.scorable
            made = self.forecasts[name].iloc[scorable.index.to_numpy()]
            rows = row_scores(scorable.reset_index(drop=True), made)
            self._rows[name] = rows.assign(cover50=_inside_half(rows, made), status=made["status"].to_numpy(object))
        return self._rows[name]

    def scorecard(self, by: Sequence[str] = ("stream",)) -> pd.DataFrame:
        """Scores by forecaster, slice and horizon: columns model, slice, value, horizon_h, and those of `summary`.

        The slice 'all' holds every window; `by` names columns of `windows` to slice by besides.
        """
        parts = []
        for name in self.forecasts:
            rows = self.rows(name)
            parts.append(_table(rows, name, "all", "all"))
            for column in by:
                groups = rows.groupby(column, sort=True, observed=True)
                parts += [_table(part, name, column, str(value)) for value, part in groups]
        return pd.concat(parts, ignore_index=True)

    def save(self, path: Path) -> None:
        """Write one table (.parquet or .csv): a row per window and forecaster, with y and the forecast."""
        facts = self.windows.drop(columns=KEY).reset_index(drop=True)
        parts = [
            pd.concat([made.reset_index(drop=True), facts], axis=1).assign(model=name)
            for name, made in self.forecasts.items()
        ]
        write_table(pd.concat(parts, ignore_index=True), path)

    @classmethod
    def load(cls, path: Path) -> Backtest:
        """Read what `save` wrote as Parquet."""
        whole = pd.read_parquet(path)
        facts = [*KEY, *FACTS, "horizon_h", "y"]
        parts = {str(name): part.reset_index(drop=True) for name, part in whole.groupby("model", sort=False)}
        windows = next(iter(parts.values()))[facts]
        columns = [c for c in whole.columns if c not in {*FACTS, "horizon_h", "y", "model"}]
        return cls(windows, {name: part[columns] for name, part in parts.items()})

    def html(self, path: Path, history: History | None = None) -> None:
        """Write a page that opens anywhere, offline, about the first forecaster and what the others make of it.

        With the history that was tested on, it also shows single bins and the worst misses.
        """
        made = report(self, None if history is None else Hindsight.of(history))
        with whole(path) as draft:
            draft.write_text(made, encoding="utf-8")


def backtest(
    forecasters: Mapping[str, Forecaster],
    history: History,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp | None = None,
    every: pd.Timedelta,
    horizons_h: Sequence[float],
    truth: pd.DataFrame | None = None,
    country: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Ask every forecaster at origins start, start + every, … and hold the answers against what came true.

    Forecasters are asked every window up to `end` (default: the last reading), not only those that can be scored:
    which those are gives something away. They must be fitted on what was heard before `start`. `truth` as in `label`;
    with a `country` windows are sliced by its holidays too.
    Raises InputError where no window can be scored.
    """
    span = history.span
    if span is None:
        raise InputError("a history without readings", expected="readings to test on", remedy="Load readings first.")
    asked = asks(history.readings, start, span[1] if end is None else end, every, horizons_h)
    say = progress or (lambda _: None)
    say(f"{len(asked)} windows of {asked['bin_id'].nunique()} bins from {start:%Y-%m-%d %H:%M}")
    emptyings = history.emptyings if truth is not None or len(history.emptyings) else None
    labelled = label(history.readings, asked.assign(row=np.arange(len(asked))), emptyings, truth)
    if len(labelled) == 0:
        raise InputError(
            f"no window from {start} on that can be scored",
            expected="bins with readings at both ends of a window and no emptying between",
            remedy="Choose an earlier --from, or shorter --horizons.",
        )
    truths = labelled.set_index("row")[["horizon_h", "y"]].reindex(range(len(asked)))
    full_pct = asked["bin_id"].map(history.bins.unique["full_pct"]).fillna(FULL_PCT)
    windows = pd.concat([asked, truths, slices_of(history, asked, country)], axis=1).assign(full_pct=full_pct)
    say(f"{len(labelled)} of them can be scored")
    forecasts = {}
    for name, forecaster in forecasters.items():
        say(f"forecasting: {name}")
        forecasts[name] = forecaster.forecast_windows(history, asked)
    return Backtest(windows, forecasts)


def check_start(history: History, start: pd.Timestamp, end: pd.Timestamp | None = None, *, learns: bool) -> None:
    """Raise InputError, before minutes of fitting, where no window can test, or none before teach."""
    if end is not None and end <= start:
        raise InputError(
            f"--from {start} and --to {end}", expected="an end after its start", remedy="Name a later --to."
        )
    span = history.span
    if span is None:
        return
    after = start >= span[1]
    if after or (learns and start <= span[0]):
        raise InputError(
            f"--from {start} has no readings {'after' if after else 'before'} it",
            expected=f"a moment between the first reading, {span[0]}, and the last, {span[1]}",
            remedy="Choose one that leaves history to learn from and some to test on.",
        )


def _inside_half(rows: pd.DataFrame, made: pd.DataFrame) -> np.ndarray:
    """(n,) whether the truth lies inside the 50% interval, its ends half-way between the deciles."""
    low, high = (made[pair].to_numpy(float).mean(axis=1) for pair in (["q20", "q30"], ["q70", "q80"]))
    low, high = np.where(np.isnan(low), 25.0, low), np.where(np.isnan(high), 75.0, high)
    y = rows["y"].to_numpy(float)
    return ((y >= low - ROUNDING_PCT) & (y <= high + ROUNDING_PCT)).astype(float)


def _table(rows: pd.DataFrame, model: str, kind: str, value: str) -> pd.DataFrame:
    table = summary(rows).reset_index()
    table["horizon_h"] = table["horizon_h"].astype(str)
    for place, (column, content) in enumerate([("model", model), ("slice", kind), ("value", value)]):
        table.insert(place, column, content)
    return table
