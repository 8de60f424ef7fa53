"""Rolling origins inside the training period, on which settings are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from training.backtest import backtest
from training.baselines import baseline
from training.model import FillModel
from training.practice import known_by
from training.scores import row_scores
from training.settings import ModelSettings

YARDSTICK = "weekday-rate"
LONGEST_DAYS, SHORTEST_DAYS = 14.0, 2.0
SCORED_SHARE = 0.5  # of the history at most; what lies before teaches even the first fold
SCORED_BINS = 40  # enough to tell settings apart by, and few enough to ask often
EVERY = pd.Timedelta(hours=12)
HORIZONS_H = (6.0, 12.0, 24.0, 48.0, 72.0)


@dataclass(frozen=True)
class Fold:
    """One rolling origin: models learn what was heard by `until` and are scored on `windows`, which end by `end`.

    windows: labelled (bin_id, as_of, at, horizon_h, y, full_pct); yardstick: `row_scores` of the baseline on them;
    heard: the history of their bins.
    """

    until: pd.Timestamp
    end: pd.Timestamp
    windows: pd.DataFrame
    yardstick: pd.DataFrame
    heard: History

    def rows(self, history: History, settings: ModelSettings, seed: int) -> pd.DataFrame:
        """`row_scores` of a model fitted with these settings on what `history` had heard by `until`."""
        model = FillModel.fit(history, until=self.until, seed=seed, settings=settings)
        return row_scores(self.windows, model.forecast_windows(self.heard, self.windows))

    def shares(self, rows: pd.DataFrame) -> pd.Series:
        """By bin_id, the mean CRPS of `rows` (windows within a horizon, then horizons) over the baseline's of all."""
        return _by_bin(rows) / _by_bin(self.yardstick).mean()


def rolling_folds(
    history: History,
    until: pd.Timestamp | None,
    count: int,
    rng: np.random.Generator,
    progress: Callable[[str], None] = lambda step: None,
) -> tuple[Fold, ...]:
    """`count` folds side by side that end where the training period does, oldest first, all of them on the same bins.

    Each is two weeks long, or shorter where they would take more than half of the history. Raises InputError for a
    history too short.
    """
    past, stop = known_by(history, until)
    first = past.readings.frame["measured_at"].min()
    days = min(LONGEST_DAYS, SCORED_SHARE * (stop - first) / pd.Timedelta(days=1) / count)
    if days < SHORTEST_DAYS:
        raise InputError(
            f"A history from {first} to {stop}",
            expected=f"at least {2 * SHORTEST_DAYS * count:.0f} days, for {count} folds of {SHORTEST_DAYS:.0f} days in "
            "its later half",
            remedy="Load more history, or ask for fewer --folds.",
        )
    ids = np.sort(past.readings.frame["bin_id"].unique())
    if len(ids) > SCORED_BINS:
        ids = np.sort(rng.choice(ids, SCORED_BINS, replace=False))
    heard = past.select(ids.tolist())
    length = pd.Timedelta(days=days).floor("min")
    return tuple(_fold(heard, stop - k * length, stop - (k - 1) * length, progress) for k in range(count, 0, -1))


def _fold(heard: History, until: pd.Timestamp, end: pd.Timestamp, progress: Callable[[str], None]) -> Fold:
    progress(f"{YARDSTICK} from {until:%Y-%m-%d %H:%M}")
    rule = {YARDSTICK: baseline(YARDSTICK).fit(heard, until)}
    scored = backtest(rule, heard, start=until, end=end, every=EVERY, horizons_h=HORIZONS_H)
    windows = scored.scorable[["bin_id", "as_of", "at", "horizon_h", "y", "full_pct"]].reset_index(drop=True)
    return Fold(until, end, windows, scored.rows(YARDSTICK), heard)


def _by_bin(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(["bin_id", "horizon_h"])["crps"].mean().groupby("bin_id").mean()
