"""Where policies are replayed: the opportunities of a span, and the hours at which their overflow is counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import HOUR_US, microsecond
from training.counterfactual import Scene, scene_of
from training.deposits import Deposits
from training.opportunities import NEVER, Rounds

WEEK_H = 168
UNSEEN_H = 168.0


@dataclass(frozen=True)
class Stage:
    """A scene with the hours at which what becomes of it is looked at.

    hour_us (h,): full hours; seen (b, h): whether the bin's sensor was there at all; week (h,); hours (b, w): seen;
    passed (b, h): opportunities before each; thrown (b, h): points until then; open (b, k): opportunities to decide.
    """

    scene: Scene
    hour_us: np.ndarray
    seen: np.ndarray
    week: np.ndarray
    hours: np.ndarray
    passed: np.ndarray
    thrown: np.ndarray
    open: np.ndarray

    @classmethod
    def set(
        cls,
        history: History,
        start: pd.Timestamp,
        end: pd.Timestamp,
        rounds: Rounds,
        lead: pd.Timedelta,
        deposits: Deposits | None,
    ) -> Stage:
        """The stage for a span of a history. Raises InputError where no bin can be emptied in it."""
        known = history.bins.unique
        ids = pd.Index(history.readings.frame["bin_id"].unique()).sort_values()
        zones = known["timezone"].reindex(ids).fillna("UTC").to_numpy(object)
        chances = rounds.opportunities(ids.to_numpy(object), zones, start, end, lead)
        scene = scene_of(history, deposits or Deposits.of(history), chances, start)
        if not scene.deposits.lines.bin_ids.equals(scene.versions.lines.bin_ids):
            raise ValueError("deposits of other bins than those with readings")
        hour_us = np.arange(-(-microsecond(start + lead) // HOUR_US), microsecond(end) // HOUR_US + 1) * HOUR_US
        codes = np.arange(len(ids))[:, None]
        seen = _seen(scene, np.broadcast_to(hour_us, (len(ids), len(hour_us))))
        week = (hour_us - hour_us[0]) // (WEEK_H * HOUR_US)
        passed = np.zeros(seen.shape, dtype=np.int64)
        for k in range(chances.most):  # opportunities, all bins and hours at once
            passed += chances.at_us[:, k : k + 1] <= hour_us
        open_ = (np.arange(chances.most) < chances.count[:, None]) & _seen(scene, chances.at_us[:, :-1])
        thrown = scene.deposits.until(codes, hour_us)
        return cls(scene, hour_us, seen, week, _by_week(seen, week), np.minimum(passed, chances.most), thrown, open_)

    def outcome(self, picks: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Emptyings, overflow hours and sum of fills at pick-up, each (b, w), of what `follow` returned."""
        scene = self.scene
        lies = np.take_along_axis(base, self.passed, axis=1) + self.thrown
        level = scene.deposits.shown(np.arange(len(lies))[:, None], lies)
        overflow = _by_week(self.seen & (level >= scene.full_pct[:, None]), self.week)
        bins, k = np.nonzero(picks)
        at_us = scene.opportunities.at_us[bins, k]
        fill = np.minimum(scene.deposits.shown(bins, base[bins, k] + scene.deposits.until(bins, at_us)), 100.0)
        return self._counted(bins, at_us, fill, overflow)

    def as_it_was(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same of the emptyings that history shows."""
        scene = self.scene
        level = scene.deposits.level(np.arange(len(scene.bin_ids))[:, None], self.hour_us)
        overflow = _by_week(self.seen & (level >= scene.full_pct[:, None]), self.week)
        bins, at_us, fill = scene.deposits.emptyings()
        inside = (at_us >= self.hour_us[0]) & (at_us <= self.hour_us[-1])
        bins, at_us = bins[inside], at_us[inside]
        return self._counted(bins, at_us, np.minimum(fill[inside], 100.0), overflow)

    def _counted(
        self, bins: np.ndarray, at_us: np.ndarray, fill: np.ndarray, overflow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        week = np.clip((at_us - self.hour_us[0]) // (WEEK_H * HOUR_US), 0, overflow.shape[1] - 1)
        cell = bins * overflow.shape[1] + week
        count, total = (np.bincount(cell, weights=w, minlength=overflow.size) for w in (None, fill))
        return count.reshape(overflow.shape).astype(float), overflow, total.reshape(overflow.shape)


def _seen(scene: Scene, moments: np.ndarray) -> np.ndarray:
    """(b, m) whether each moment lies between two readings of the bin that are at most a week apart."""
    lines = scene.versions.lines
    codes = np.repeat(np.arange(len(scene.bin_ids)), moments.shape[1])
    flat = moments.ravel()
    after = lines.before(codes, flat, inclusive=True)
    inside = (after > lines.bounds[codes]) & (after < lines.bounds[codes + 1])
    after = np.minimum(after, len(lines.time_us) - 1)
    inside &= lines.hours[after] - lines.hours[after - 1] <= UNSEEN_H
    return (inside & (flat < NEVER)).reshape(moments.shape)


def _by_week(cells: np.ndarray, week: np.ndarray) -> np.ndarray:
    """(b, w) sums of cells (b, h)."""
    return np.add.reduceat(cells.astype(float), np.flatnonzero(np.diff(week, prepend=-1)), axis=1)
