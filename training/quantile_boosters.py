"""lgb-quantile: nine plain LightGBM quantile boosters, an afternoon's work and the best peer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import lightgbm as lgb
import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from data.sequences import HOUR_US
from training.known import Versions
from training.practice import known_by, practice_windows
from training.residuals import FINE, table
from training.rules import fleet_weekly, forecasts
from training.states import Asked, States, states
from training.weekly import MONDAY_H, Weekly

TAUS = np.arange(1, 10) / 10
HORIZONS_H = (3.0, 6.0, 12.0, 24.0, 36.0, 48.0, 72.0, 120.0, 168.0, 336.0)
ORIGINS = 30_000
ROWS = 40_000
ROUNDS = 150
DAYS = 730
SETTINGS = {
    "objective": "quantile", "learning_rate": 0.08, "num_leaves": 31, "min_data_in_leaf": 60, "feature_fraction": 0.8,
    "bagging_fraction": 0.8, "bagging_freq": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
    "verbosity": -1,
}  # fmt: skip
NAME = "lgb-quantile"


@dataclass(frozen=True)
class QuantileBoosters:
    """Nine boosters of the change of level, on level, age, trailing rates against an hour-of-week profile, calendar."""

    trained_until: pd.Timestamp | None = None
    profile: Weekly = field(default_factory=Weekly.none)
    streams: tuple[str, ...] = ()
    boosters: tuple[lgb.Booster, ...] = ()
    name: str = NAME

    def fit(self, history: History, until: pd.Timestamp | None = None, seed: int = 0) -> QuantileBoosters:
        """Boosters fitted to windows that had come true by `until` (None: all)."""
        past, end = known_by(history, until)
        windows = practice_windows(past, end, HORIZONS_H, ORIGINS, seed, DAYS)
        if len(windows) < 200:
            raise InputError(
                f"{len(windows)} windows to learn from", expected="at least 200", remedy="Give a longer history."
            )
        if len(windows) > ROWS:
            chosen = np.sort(np.random.default_rng(seed).choice(len(windows), ROWS, replace=False))
            windows = windows.iloc[chosen].reset_index(drop=True)
        asked = Asked.of(windows, past)
        taught = replace(
            self, trained_until=end, profile=fleet_weekly(past), streams=tuple(sorted(set(asked.stream.tolist())))
        )
        now = taught._states(past, asked)
        valid = ~np.isnan(now.level_pct[asked.origin])
        x = taught.features(asked, now)[valid]
        y = (windows["y"].to_numpy(float) - now.level_pct[asked.origin])[valid]
        weight = _even(windows["horizon_h"].to_numpy()[valid])
        data = lgb.Dataset(x, y, weight=weight, params={"verbosity": -1}, free_raw_data=False)
        boosters = tuple(lgb.train({**SETTINGS, "alpha": tau, "seed": seed}, data, ROUNDS) for tau in TAUS)
        return replace(taught, boosters=boosters)

    def features(self, asked: Asked, now: States) -> np.ndarray:
        """(m, f) features of each window."""
        o = asked.origin
        local_h = asked.as_of_us / HOUR_US + asked.offset_h
        code = self.profile.bin_ids.get_indexer(pd.Index(asked.bin_id))
        seen = np.maximum(now.seen_h, 1.0)
        own_rate = self.profile.rate.mean(axis=1)[code]
        by_origin = np.column_stack(
            [
                now.level_pct, now.smooth_pct, now.age_h, now.cycle_h, now.step_h, now.risen_pct[:, :5],
                now.risen_pct / seen, (now.risen_pct + 5) / (now.usual_pct + 5), now.seen_h[:, -1], own_rate, code,
                pd.Index(self.streams).get_indexer(pd.Index(asked.stream)), local_h % 24,
                (local_h + MONDAY_H) // 24 % 7,
            ]
        )  # fmt: skip
        end_h = local_h[o] + asked.horizon_h
        rise = self.profile.rise(code[o], local_h[o], asked.horizon_h)
        pace = ((now.risen_pct[:, -1] + 5) / (now.usual_pct[:, -1] + 5))[o]
        return np.column_stack(
            [
                by_origin[o],
                asked.horizon_h,
                rise,
                rise * pace,
                now.level_pct[o] + rise,
                end_h % 24,
                (end_h + 72) // 24 % 7,
            ]
        )

    def forecast_windows(self, history: History, windows: pd.DataFrame) -> pd.DataFrame:
        """The contract's forecasts table, a row per window (bin_id, as_of, at) in order."""
        asked = Asked.of(windows, history)
        now = self._states(history, asked)
        x, level = self.features(asked, now), now.level_pct[asked.origin][:, None]
        change = np.column_stack([booster.predict(x, num_threads=1) for booster in self.boosters])
        deciles = np.sort((level + change).clip(0, 100), axis=1)
        return forecasts(windows, asked, now, table(_fine(deciles), asked.full_pct[asked.origin]), self.name)

    def _states(self, history: History, asked: Asked) -> States:
        versions = Versions.of(history.readings)
        return states(versions, self.profile, asked.bin_id, asked.as_of_us, asked.offset_h)


def _fine(deciles: np.ndarray) -> np.ndarray:
    """(m, 100) fine quantiles: straight between deciles, and beyond the outer ones as between them and the next."""
    low = deciles[:, :1] - (deciles[:, 1:2] - deciles[:, :1])
    high = deciles[:, -1:] + (deciles[:, -1:] - deciles[:, -2:-1])
    knots = np.concatenate([low, deciles, high], axis=1).clip(0, 100)
    at = FINE * 10
    left = np.floor(at).astype(int)
    return knots[:, left] + (at - left) * (knots[:, left + 1] - knots[:, left])


def _even(horizon_h: np.ndarray) -> np.ndarray:
    """Weights that let every horizon count the same."""
    _, at, count = np.unique(horizon_h, return_inverse=True, return_counts=True)
    return len(horizon_h) / (len(count) * count[at])
