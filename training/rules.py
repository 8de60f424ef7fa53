"""The rules that products use, made into probabilistic forecasts: what any model has to beat."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import HOUR_US
from training.known import Versions
from training.labels import levels
from training.practice import known_by, practice_windows
from training.residuals import Residuals, table
from training.states import Asked, States, states
from training.weekly import Weekly, local_offset_h, weekly

RULES = ("persistence", "rate-28d", "weekday-rate", "hour-of-week")
CALIBRATION_H = (1.0, 3.0, 6.0, 12.0, 18.0, 24.0, 36.0, 48.0, 72.0, 96.0, 168.0, 336.0)
CALIBRATION_DAYS = 240
CALIBRATION_ORIGINS = 20_000
STALE_H = 48.0
RATE_PRIOR_H = 336.0  # trailing rates are drawn toward the bin's own of all time, as if by so many hours of it


@dataclass(frozen=True)
class Rule:
    """A point forecast, the level plus an expected rise, with empirical residual quantiles around it.

    name: persistence, rate-28d, weekday-rate or hour-of-week. `fit` learns the bins' weekly rates, the residuals, and
    per stream ('' is all) how far the expected rise is damped: bins that fill fast are emptied before they show it.
    """

    name: str
    trained_until: pd.Timestamp | None = None
    profile: Weekly = field(default_factory=Weekly.none)
    damping: dict[str, float] = field(default_factory=lambda: {"": 1.0})
    residuals: Residuals = field(default_factory=Residuals.none)

    def fit(self, history: History, until: pd.Timestamp | None = None, seed: int = 0) -> Rule:
        """The rule with rates and residuals from what was heard by `until` (None: all)."""
        past, end = known_by(history, until)
        cell_h = 24 if self.name == "weekday-rate" else 1
        taught = replace(self, trained_until=end, profile=fleet_weekly(past, cell_h))
        windows = practice_windows(past, end, CALIBRATION_H, CALIBRATION_ORIGINS, seed, CALIBRATION_DAYS)
        asked = Asked.of(windows, past)
        now = taught.states(past, asked)
        valid = ~np.isnan(now.level_pct[asked.origin])
        y, stream = windows["y"].to_numpy(float), asked.stream[asked.origin]
        if self.name != "persistence":
            level, rise = now.level_pct[asked.origin][valid], taught.rise(asked, now)[valid]
            taught = replace(taught, damping=_damping(y[valid] - level, rise, 100 - level, stream[valid]))
        residual = (y - taught.point(asked, now).clip(0, 100))[valid]
        horizon_h, level = np.round(asked.horizon_h[valid], 6), now.level_pct[asked.origin][valid]
        return replace(taught, residuals=Residuals.of(residual, horizon_h, stream[valid], level))

    def states(self, history: History, asked: Asked) -> States:
        """What is known at the origins asked."""
        versions = Versions.of(history.readings)
        return states(versions, self.profile, asked.bin_id, asked.as_of_us, asked.offset_h)

    def point(self, asked: Asked, now: States) -> np.ndarray:
        """(m,) the rule's point forecast in percent, not clipped; NaN without data."""
        stream = pd.Series(asked.stream[asked.origin])
        damping = stream.map(self.damping).fillna(self.damping[""]).to_numpy(float)
        return now.level_pct[asked.origin] + damping * self.rise(asked, now)

    def rise(self, asked: Asked, now: States) -> np.ndarray:
        """(m,) the rise in percent that the rule expects from the newest reading to `at`."""
        hours = asked.horizon_h + np.nan_to_num(now.age_h[asked.origin])
        if self.name == "persistence":
            return np.zeros(len(hours))
        code = self.profile.bin_ids.get_indexer(pd.Index(asked.bin_id))  # unknown: -1, the last row, the fleet's
        if self.name == "rate-28d":
            risen = now.risen_pct[:, -1] + RATE_PRIOR_H * self.profile.rate.mean(axis=1)[code]
            rate = np.maximum(risen, 0) / (now.seen_h[:, -1] + RATE_PRIOR_H)
            return rate[asked.origin] * hours
        code = code[asked.origin]
        local = asked.as_of_us[asked.origin] / HOUR_US + asked.offset_h[asked.origin]
        return self.profile.rise(code, local + asked.horizon_h - hours, hours)

    def forecast_windows(self, history: History, windows: pd.DataFrame) -> pd.DataFrame:
        """The contract's forecasts table, a row per window (bin_id, as_of, at) in order."""
        asked = Asked.of(windows, history)
        now = self.states(history, asked)
        stream, point = asked.stream[asked.origin], self.point(asked, now)
        fine = self.residuals.spread(point, asked.horizon_h, stream, now.level_pct[asked.origin])
        return forecasts(windows, asked, now, table(fine, asked.full_pct[asked.origin]), self.name)


def fleet_weekly(past: History, cell_h: int = 1) -> Weekly:
    """Weekly rates of every bin, with the fleet's mean as one row more, which unknown bins take (index -1)."""
    lines = levels(past.readings)
    zone = past.bins.unique["timezone"].reindex(lines.bin_ids).fillna("UTC").astype(object).to_numpy()
    learned = weekly(lines, local_offset_h(lines.time_us, zone[lines.code]), cell_h=cell_h)
    fleet = learned.rate.mean(axis=0, keepdims=True)
    return Weekly(learned.bin_ids, np.concatenate([learned.rate, fleet]))


def forecasts(
    windows: pd.DataFrame, asked: Asked, now: States, columns: dict[str, np.ndarray], name: str
) -> pd.DataFrame:
    """The contract's table from its numeric columns; rows without a level come empty."""
    empty = np.isnan(now.level_pct)[asked.origin]
    status = np.where(now.age_h > STALE_H, "stale", "ok")
    status = np.where(np.isnan(now.level_pct), np.where(asked.known, "no_data", "unknown_bin"), status)[asked.origin]
    made = windows[["bin_id", "as_of", "at"]].reset_index(drop=True)
    numbers = {key: np.where(empty, np.nan, value) for key, value in columns.items()}
    return made.assign(**numbers, status=status, model_version=f"baseline:{name}")


def _damping(change: np.ndarray, rise: np.ndarray, room: np.ndarray, stream: np.ndarray) -> dict[str, float]:
    """By stream ('' is all), the share of the expected rise that misses the changes that came by the least."""
    shares = np.arange(0, 1.55, 0.1)
    error = np.stack([np.abs(change - np.minimum(share * rise, room)) for share in shares], axis=1)
    if len(error) == 0:
        return {"": 1.0}
    by_stream = pd.DataFrame(error, columns=shares).groupby(stream).mean()
    best = shares[by_stream.to_numpy().argmin(axis=1)]
    return {"": float(shares[error.mean(axis=0).argmin()])} | dict(zip(by_stream.index, best.tolist(), strict=True))
