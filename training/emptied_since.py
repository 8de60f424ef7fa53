"""Whether a bin was emptied since its newest reading: no sensor tells yet, but rounds come by habit."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from data.cycles import find_cycles
from data.health import RECENT_DAYS
from data.history import History
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, Sequences, search
from training.calendar import Clock
from training.situations import Situations
from training.visits import DAY_S, WEEKS, Visits, mean_known

DAYS = (1, 2)  # before, whose same hours are looked at besides those of weeks
MOMENTS = 100_000
MOST_READINGS = 1_000_000
FEWEST_EMPTYINGS = 100
LEAST_PCT = 30.0  # emptyings of less go unseen, and so do those in longer silences than
SHORT_H, SHORT_STEPS = 2.5, 1.5  # so many hours, or of the sensor's usual steps
TREES = 120
RISING = [1] * WEEKS + [1] * (1 + len(DAYS)) + [1, 0]  # weeks, their mean, days, level; time since the last emptying
PARAMETERS = {
    "objective": "cross_entropy", "num_leaves": 15, "min_data_in_leaf": 200, "learning_rate": 0.05,
    "monotone_constraints": RISING, "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


@dataclass(frozen=True)
class EmptiedSince:
    """The probability that a bin was emptied between its newest reading and the moment it is asked of.

    A booster of whether it was emptied in the same hours of the weeks and days before, of its level, and of the time
    since the last emptying; all but the last can only make it likelier. It learns from moments between two readings
    close to each other, of bins with something in them: in a long silence, or of little, emptyings go unseen. The hour
    is none of the inputs, since it says nothing of a silence that lasts a day. 0 for bins of which emptyings were
    reported lately: there one would have been. `booster` is None where there were too few emptyings to learn from.
    """

    booster: lgb.Booster | None

    @classmethod
    def learn(cls, history: History, until: int, rng: np.random.Generator) -> EmptiedSince:
        """From random moments of bins without reports, as readings later showed; `until` in microseconds."""
        archive = Archive.of(history)
        order = rng.permutation(len(archive.bin_ids))
        most = int(np.searchsorted(np.cumsum(np.diff(archive.starts)[order]), MOST_READINGS, side="right"))
        ids = archive.bin_ids.to_numpy()[np.sort(order[: max(most, 1)])]
        moment = np.full(len(ids), until)
        reports = known_reports(history, ids, moment, None)
        cycles = find_cycles(archive.sequences(ids, moment, None), reports)
        s = cycles.sequences
        if not len(s.seq):
            return cls(None)
        zones = history.bins.unique.reindex(ids)["timezone"].fillna("UTC").to_numpy(object)
        clock = Clock.over(zones, int(s.measured.min()), int(s.measured.max()) + HOUR_US)
        visits = Visits.of(cycles, clock)
        row, newest, as_of = _moments(s, np.flatnonzero((s.last >= 0) & ~visits.reported), rng)
        told, now = clock.local_s(s.measured[newest], row), clock.local_s(as_of, row)
        happened = np.clip(visits.before(now, row) - visits.before(told, row), 0, 1)
        if happened.sum() < FEWEST_EMPTYINGS:
            return cls(None)
        columns = _columns(visits, told, now, row, s.fill[newest] / MILLI, visits.since_s(told, now, row))
        chosen = {**PARAMETERS, "seed": int(rng.integers(2**31))}
        return cls(lgb.train(chosen, lgb.Dataset(columns, happened, params=chosen), TREES))

    def probability(self, found: Situations, as_of: np.ndarray, clock: Clock) -> np.ndarray:
        """(m,) 0 to 1, of the bins as they were `found` at `as_of` (m,) microseconds."""
        row = np.arange(len(as_of))
        if self.booster is None or not len(row):
            return np.zeros(len(row))
        told, now = clock.local_s(found.measured, row), clock.local_s(as_of, row)
        # A reading that has just fallen is an emptying, though it is not judged yet.
        since = np.where(found.columns["pending"] > 0, now - told, found.visits.since_s(told, now, row))
        columns = _columns(found.visits, told, now, row, found.level, since)
        likely = np.asarray(self.booster.predict(columns), dtype=float)
        return np.where(found.visits.reported | np.isnan(found.level), 0.0, likely)


def _moments(s: Sequences, bins: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most MOMENTS random moments: their rows, all of `bins`, the newest reading heard by then, and microseconds."""
    row = rng.choice(bins, MOMENTS if len(bins) else 0)
    begin, end = s.measured[s.offsets[row]], s.measured[s.last[row]]
    as_of = begin + (rng.random(len(row)) * (end - begin)).astype(np.int64)
    newest = search(s.heard, s.offsets[row], s.offsets[row + 1], as_of, right=True) - 1
    following = np.minimum(newest + 1, len(s.seq) - 1)
    short = s.measured[following] - s.measured[newest] <= np.maximum(SHORT_H, SHORT_STEPS * s.step_h[row]) * HOUR_US
    known = (newest >= s.offsets[row]) & (newest < s.last[row]) & short & (s.fill[newest] >= LEAST_PCT * MILLI)
    return row[known], newest[known], as_of[known]


def _columns(
    visits: Visits, told: np.ndarray, now: np.ndarray, row: np.ndarray, level: np.ndarray, since_s: np.ndarray
) -> np.ndarray:
    """(k, 9) what the booster reads of the time from `told` to `now` (k,), local seconds, of bins `row` (k,)."""
    weekly = visits.weekly(told, now, row)
    days = [visits.lagged(told, now, row, day * DAY_S) for day in DAYS]
    since_h = np.minimum(since_s / 3600, RECENT_DAYS * 24)
    return np.column_stack([weekly, mean_known(weekly), *days, level, since_h])
