from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

HOUR = np.timedelta64(3_600_000_000, "us")
UNATTENDED = "p_full_unattended"
BY_ROW = [
    "bin_ids", "as_of", "values", "left_alone", "status", "last_reading_at", "fill_now_pct", "full_pct", "step_pct",
]  # fmt: skip
QUANTILE_COLUMNS = {"q05": 0.05, **{f"q{p}": p / 100 for p in range(10, 100, 10)}, "q95": 0.95}


@dataclass(frozen=True)
class FillForecast:
    """The distribution of the fill of n bins over the hours to come, absent an emptying.

    Given as quantiles on a grid of horizons and probability levels and read by bilinear interpolation, so that every
    question about it has one answer. Rows whose status is no_data or unknown_bin hold NaN.

    "Absent an emptying" can mean two things, which differ for bins that are nearly always emptied before. `values` are
    if nobody comes, whatever is usual: what who decides to come must know. All that is asked here is told by them. Only
    `table` tells of windows in which nobody came: these can be scored, but little came in them, or somebody would have.

    bin_ids (n,)          the bins
    as_of (n,)            datetime64[us] UTC, the moment each forecast is made
    horizons_h (H,)       hours after as_of, from 0, rising
    levels (P,)           probabilities from 0 to 1, rising
    values (n, H, P)      percent; never falls with the horizon nor with the level. The ends (levels 0 and 1) may lie
                          outside 0-100; what is told is capped
    left_alone (n, H, P)  likewise, of windows in which nobody was seen to come; may fall with the horizon
    status (n,)           ok, stale, cold_start, faulty_sensor, no_data or unknown_bin
    reasons (n,)          for each bin the reasons of its status, in words
    last_reading_at (n,)  datetime64[us] UTC, NaT without readings
    fill_now_pct (n,)     the median level at as_of, percent: the filtered one, or hardly any if probably emptied since
    full_pct (n,)         percent at which each bin counts as full
    step_pct (n,)         percent by which the sensor's steps are told (see `data.resolution`), 0 for any value

    Where a sensor speaks in steps, what is told are the steps that it will show: the values are rounded to the nearest
    one, and a bin is full when its sensor is to show `full_pct` or more.
    """

    bin_ids: np.ndarray
    as_of: np.ndarray
    horizons_h: np.ndarray
    levels: np.ndarray
    values: np.ndarray
    left_alone: np.ndarray
    status: np.ndarray
    reasons: tuple[tuple[str, ...], ...]
    last_reading_at: np.ndarray
    fill_now_pct: np.ndarray
    full_pct: np.ndarray
    step_pct: np.ndarray
    model_version: str

    def __post_init__(self) -> None:
        shape = (len(self.bin_ids), len(self.horizons_h), len(self.levels))
        for grid in (self.values, self.left_alone):
            if grid.shape != shape:
                raise ValueError(f"values have shape {grid.shape}, expected {shape}: bins x horizons x levels")
        if self.levels[0] != 0 or self.levels[-1] != 1 or self.horizons_h[0] != 0:
            raise ValueError("levels must run from 0 to 1 and horizons_h from 0")

    def __len__(self) -> int:
        return len(self.bin_ids)

    @classmethod
    def joined(cls, parts: Sequence[FillForecast]) -> FillForecast:
        """The rows of all parts, which are of one model and at least one, end to end."""
        if len(parts) == 1:
            return parts[0]
        arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in BY_ROW}
        return replace(parts[0], **arrays, reasons=tuple(why for part in parts for why in part.reasons))

    def take(self, rows: np.ndarray) -> FillForecast:
        """The forecast of these rows, in this order, repeats allowed."""
        arrays: dict[str, Any] = {name: getattr(self, name)[rows] for name in BY_ROW}
        return replace(self, **arrays, reasons=tuple(self.reasons[i] for i in rows.tolist()))

    def select(self, bin_ids: Iterable[str]) -> FillForecast:
        """The forecast of these bins, in this order. Raises KeyError for one that is not there."""
        index = pd.Index(self.bin_ids)
        wanted = list(bin_ids)
        rows = index.get_indexer(pd.Index(wanted, dtype=index.dtype))
        if (rows < 0).any():
            raise KeyError(f"no forecast of {[b for b, r in zip(wanted, rows, strict=True) if r < 0][:5]}")
        return self.take(rows)

    # ------------------------------------------------------------ questions about a moment

    def quantiles(self, levels: Sequence[float] | np.ndarray, at: pd.Timestamp | np.ndarray) -> np.ndarray:
        """(n, len(levels)) percent, capped to 0-100: the fill not exceeded at `at` with these probabilities.

        `at` is one moment or one a row; moments before as_of and beyond the grid (14 days) are its ends.
        """
        wanted = np.asarray(levels, dtype=float)
        if ((wanted < 0) | (wanted > 1)).any():
            raise ValueError(f"levels must lie in 0-1, found {wanted.tolist()}")
        at_moment = self._at(at)
        right = np.clip(np.searchsorted(self.levels, wanted, side="left"), 1, len(self.levels) - 1)
        share = (wanted - self.levels[right - 1]) / (self.levels[right] - self.levels[right - 1])
        below, above = at_moment[:, right - 1], at_moment[:, right]
        return self._shown(below + share * (above - below))

    def quantile(self, level: float, at: pd.Timestamp | np.ndarray) -> np.ndarray:
        """(n,) as `quantiles`, for one probability."""
        return self.quantiles([level], at)[:, 0]

    def mean(self, at: pd.Timestamp | np.ndarray) -> np.ndarray:
        """(n,) expected fill at `at`, percent: the integral of the quantile function, capped to 0-100."""
        values = self._shown(self._at(at))
        weights = np.zeros(len(self.levels))
        weights[:-1] += np.diff(self.levels) / 2
        weights[1:] += np.diff(self.levels) / 2
        mean = values[:, 0] * weights[0]
        for k in range(1, len(self.levels)):  # a fixed order of additions: the same bits whichever bins are asked
            mean = mean + values[:, k] * weights[k]
        return mean

    def p_full(self, at: pd.Timestamp | np.ndarray, full_pct: float | np.ndarray | None = None) -> np.ndarray:
        """(n,) probability that the fill at `at` is at least `full_pct` (default: the bin's own)."""
        return self._probability_full(self._at(at), self._full(full_pct))

    # ------------------------------------------------------------ questions about a probability

    def full_at(self, probability: float, full_pct: float | np.ndarray | None = None) -> np.ndarray:
        """(n,) datetime64[us]: the first moment at which the bin is full with this probability; NaT beyond 14 days."""
        if not 0 < probability < 1:
            raise ValueError(f"a probability strictly between 0 and 1 is expected, found {probability}")
        full = self._full(full_pct)
        right = int(np.clip(np.searchsorted(self.levels, 1 - probability, side="left"), 1, len(self.levels) - 1))
        share = (1 - probability - self.levels[right - 1]) / (self.levels[right] - self.levels[right - 1])
        curve = self.values[:, :, right - 1] + share * (self.values[:, :, right] - self.values[:, :, right - 1])
        hours = reached(curve, self.horizons_h, full)
        never = np.isnan(hours)
        moved = np.where(never, 0.0, hours) * 3.6e9
        return np.where(never, np.datetime64("NaT", "us"), self.as_of + moved.astype("timedelta64[us]"))

    def latest_safe(self, risk: float, full_pct: float | np.ndarray | None = None) -> np.ndarray:
        """(n,) datetime64[us]: the last moment at which `p_full` is still at most `risk`.

        It is as_of where the risk is passed already, and NaT where it is not passed within 14 days.
        """
        return self.full_at(risk, full_pct)

    def table(self, at: np.ndarray, *, unattended: bool = False) -> pd.DataFrame:
        """The contract's table of forecasts: a row a row of this forecast, at `at` (n,) datetime64[us] UTC.

        It is what readings can score: of windows in which nobody was seen to come; `unattended`: if nobody comes, which
        only a truth that knows every emptying can. Last, either way, `p_full_unattended`.
        """
        scored = self if unattended else replace(self, values=self.left_alone)
        quantiles = scored.quantiles(list(QUANTILE_COLUMNS.values()), at)
        columns: dict[str, object] = {
            "bin_id": pd.Series(self.bin_ids, dtype="str"),
            "as_of": pd.DatetimeIndex(self.as_of).tz_localize("UTC"),
            "at": pd.DatetimeIndex(at).tz_localize("UTC"),
        }
        columns |= {name: quantiles[:, k] for k, name in enumerate(QUANTILE_COLUMNS)}
        columns |= {"mean": scored.mean(at), "p_full": scored.p_full(at)}
        columns |= {"status": pd.Series(self.status, dtype="str"), "model_version": self.model_version}
        columns |= {UNATTENDED: self.p_full(at)}
        return pd.DataFrame(columns)

    # ------------------------------------------------------------ the grid

    def _at(self, at: pd.Timestamp | np.ndarray) -> np.ndarray:
        """(n, P) values at `at`, by interpolation between the horizons beside it."""
        if isinstance(at, pd.Timestamp):
            moment = at.tz_convert("UTC").tz_localize(None) if at.tzinfo is not None else at
            at = np.full(len(self), np.datetime64(moment, "us"))
        hours = np.clip((at.astype("datetime64[us]") - self.as_of) / HOUR, 0.0, self.horizons_h[-1])
        right = np.clip(np.searchsorted(self.horizons_h, hours, side="left"), 1, len(self.horizons_h) - 1)
        low_h, high_h = self.horizons_h[right - 1], self.horizons_h[right]
        share = ((hours - low_h) / (high_h - low_h))[:, None]
        rows = np.arange(len(self))
        low, high = self.values[rows, right - 1], self.values[rows, right]
        return low + share * (high - low)

    def _shown(self, values: np.ndarray) -> np.ndarray:
        """(n, k) what the sensors will show where the grid says `values` (n, k): whole steps, within 0-100."""
        step = np.where(self.step_pct > 0, self.step_pct, 1.0)[:, None]
        return np.clip(np.where(self.step_pct[:, None] > 0, np.floor(values / step + 0.5) * step, values), 0.0, 100.0)

    def _full(self, full_pct: float | np.ndarray | None) -> np.ndarray:
        """(n,) the value of the grid from which on the sensors will show `full_pct` or more."""
        full = np.broadcast_to(np.asarray(self.full_pct if full_pct is None else full_pct, dtype=float), (len(self),))
        step = np.where(self.step_pct > 0, self.step_pct, 1.0)
        return np.where(self.step_pct > 0, (np.ceil(full / step) - 0.5) * step, full)

    def _probability_full(self, values: np.ndarray, full: np.ndarray) -> np.ndarray:
        below = reached(values, self.levels, full)
        probability = np.where(np.isnan(below), 0.0, 1.0 - below)
        return np.where(np.isnan(values).any(axis=1), np.nan, probability)


def reached(curves: np.ndarray, scale: np.ndarray, sought: np.ndarray) -> np.ndarray:
    """(n,) where on `scale` (k,) the rising curves (n, k) reach `sought` (n,), by interpolation; NaN where nowhere."""
    there = curves >= sought[:, None]
    first = there.argmax(axis=1)
    rows = np.arange(len(curves))
    before = np.maximum(first - 1, 0)
    low, high = curves[rows, before], curves[rows, first]
    rise = np.where(high > low, high - low, 1.0)
    part = np.where(first > 0, (sought - low) / rise, 0.0)
    place = scale[before] + part * (scale[first] - scale[before])
    return np.where(there.any(axis=1), place, np.nan)
