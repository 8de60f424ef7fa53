from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from training.baselines import Forecaster
from training.counterfactual import Moment, Scene
from training.deposits import Deposits
from training.evidence import DRAWS, interval
from training.frontier import least
from training.opportunities import Rounds
from training.policies import (
    ALWAYS,
    Always,
    EveryDays,
    Forecasts,
    Foresight,
    OwnInterval,
    Policy,
    Risk,
    Threshold,
    WeekdayRate,
)
from training.practice import known_by
from training.rules import fleet_weekly
from training.stage import WEEK_H, Stage
from training.weekly import Weekly

LEAD = pd.Timedelta(hours=15)
RISKS = (0.003, 0.01, 0.03, 0.08, 0.2)
EXCESS_H = (0.25, 0.5)
AT_EXCESS = 6
SCHEDULE = "schedule"
DAYS = (1, 2, 3, 4, 5, 6, 7, 10, 14, 21)
FILLS_PCT = tuple(float(p) for p in range(20, 125, 10))
LEVELS_PCT = tuple(float(p) for p in (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90))
MARGINS_PCT = tuple(float(p) for p in (-20, -10, -5, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70))
SLACKS_H = (0.0, 1.0, 2.0, 4.0, 8.0, 12.0)


@dataclass(frozen=True)
class Comparison:
    """Emptyings at equal overflow, relative to a reference: -0.25 is a quarter fewer; low, high: 95% interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Replay:
    """What became of b bins in w weeks under p policies.

    bin_ids, streams (b,); points: family and parameter of each policy; hours (b, w): seen of each bin and week;
    emptyings, overflow_h and fill_pct (p, b, w): how often emptied, hours at full_pct or above, and the sum of the
    fills at pick-up.
    """

    bin_ids: np.ndarray
    streams: np.ndarray
    points: pd.DataFrame
    hours: np.ndarray
    emptyings: np.ndarray
    overflow_h: np.ndarray
    fill_pct: np.ndarray

    @property
    def frontier(self) -> pd.DataFrame:
        """A row a policy: family, parameter, emptyings and overflow_h per bin-week, fill_pct at pick-up."""
        weeks = self.hours.sum() / WEEK_H
        count = self.emptyings.sum(axis=(1, 2))
        return self.points.assign(
            emptyings=count / weeks,
            overflow_h=self.overflow_h.sum(axis=(1, 2)) / weeks,
            fill_pct=np.where(count > 0, self.fill_pct.sum(axis=(1, 2)) / np.maximum(count, 1), np.nan),
        )

    @property
    def table(self) -> pd.DataFrame:
        """A row a policy, bin and week: hours seen, emptyings, overflow_h and fill_pct (NaN without an emptying)."""
        p, b, w = (axis.ravel() for axis in np.indices(self.emptyings.shape))
        count = self.emptyings.ravel()
        fill = np.where(count > 0, self.fill_pct.ravel() / np.maximum(count, 1), np.nan)
        frame = pd.DataFrame({name: column.to_numpy()[p] for name, column in self.points.items()})
        frame = frame.assign(bin_id=self.bin_ids[b], week=w, hours=self.hours[b, w], emptyings=count)
        return frame.assign(overflow_h=self.overflow_h.ravel(), fill_pct=fill)[frame["hours"] > 0]

    def of_stream(self, stream: str) -> Replay:
        """The bins of one stream alone."""
        mine = self.streams == stream
        parts = (values[:, mine] for values in (self.emptyings, self.overflow_h, self.fill_pct))
        return Replay(self.bin_ids[mine], self.streams[mine], self.points, self.hours[mine], *parts)

    def needed(self, name: str, *, excess_h: tuple[float, float] = EXCESS_H) -> float:
        """Emptyings per bin-week of rule `name`, mean over the overflows of `against`. Raises KeyError."""
        return float(self._needed(name, name, self._weights(0, 0), excess_h).mean())

    def against(
        self,
        name: str,
        reference: str,
        *,
        excess_h: tuple[float, float] = EXCESS_H,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> Comparison:
        """Emptyings of rule `name` over those of `reference`, less 1, at equal overflow.

        Mean over overflows from `excess_h[0]` to `excess_h[1]` hours per bin-week above collecting at every
        opportunity; against SCHEDULE at the overflow that it had. The interval draws bins and, apart from them, weeks
        with replacement, the same for both (the pigeonhole bootstrap of Owen 2007). NaN where the overflow is out of
        reach. Raises KeyError for a rule that was not replayed.
        """
        weights = self._weights(draws, seed)
        ours, theirs = (self._needed(rule, reference, weights, excess_h) for rule in (name, reference))
        need = theirs.mean(axis=1)
        ratio = ours.mean(axis=1) / np.where(need > 0, need, np.nan) - 1
        low, high = interval(ratio[1:, None]) if draws else (np.full(1, np.nan), np.full(1, np.nan))
        return Comparison(float(ratio[0]), float(low[0]), float(high[0]))

    def _weights(self, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(1 + draws, b) and (1 + draws, w): how often each bin and week is drawn; first, once each."""
        rng = np.random.default_rng(seed)
        bins, weeks = (np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), draws)]) for n in self.hours.shape)
        return bins, weeks

    def _needed(
        self, name: str, reference: str, weights: tuple[np.ndarray, np.ndarray], excess_h: tuple[float, float]
    ) -> np.ndarray:
        """(d, t) emptyings per bin-week of a rule at each overflow of the range, by the weights."""
        names = self.points["family"].to_numpy(object)
        for rule in (name, reference):
            if rule not in names:
                raise KeyError(f"{rule} was not replayed, only {', '.join(dict.fromkeys(names))}")
        seen = np.einsum("db,bw,dw->d", weights[0], self.hours, weights[1], optimize=True) / WEEK_H
        seen = np.where(seen > 0, seen, np.nan)  # a draw of few bins may have been seen in none of its weeks

        def per_week(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return np.einsum("db,pbw,dw->dp", weights[0], values[rows], weights[1], optimize=True) / seen[:, None]

        if reference == SCHEDULE:
            allowed = per_week(self.overflow_h, names == SCHEDULE)
        else:
            allowed = per_week(self.overflow_h, names == ALWAYS) + np.linspace(*excess_h, AT_EXCESS)
        # The schedule is no rule to be mixed with others; of a rule, collecting always is the far end.
        members = (names == name) | ((names == ALWAYS) & (name != SCHEDULE))
        return least(per_week(self.overflow_h, members), per_week(self.emptyings, members), allowed)


def replay(
    history: History,
    forecasters: Mapping[str, Forecaster],
    start: pd.Timestamp,
    end: pd.Timestamp | None = None,
    *,
    rounds: Rounds | None = None,
    lead: pd.Timedelta = LEAD,
    risks: Sequence[float] = RISKS,
    deposits: Deposits | None = None,
    more: Sequence[Policy] = (),
    progress: Callable[[str], None] | None = None,
) -> Replay:
    """Replay collection policies on history: what was thrown in stays, who empties when does not.

    Each forecaster is asked at every opportunity, `lead` ahead, and empties where the probability of being full before
    the next opportunity exceeds a risk; it must be fitted on what was heard before `start`. Besides: the schedule as
    it was, every k days, intervals of each bin's own, a threshold, the weekday rate, and perfect foresight. `deposits`
    defaults to those that the readings show, `more` are further policies. Raises InputError.
    """
    say = progress or (lambda _: None)
    span = history.span
    if span is None or span[1] <= start or span[0] >= start:
        raise InputError(
            f"nothing to replay from {start}",
            expected="readings before it, to learn from, and after it",
            remedy="Choose --from between the first reading and the last.",
        )
    if end is not None and end <= start:
        raise InputError(
            f"a replay from {start} to {end}", expected="an end after the beginning", remedy="Choose a later --to."
        )
    stage = Stage.set(history, start, end or span[1], rounds or Rounds(), lead, deposits)
    rates = fleet_weekly(known_by(history, start)[0], 24)
    policies: list[Policy] = [Always(), *(EveryDays(float(k)) for k in DAYS), *(OwnInterval(p) for p in FILLS_PCT)]
    policies += [*(Threshold(p) for p in LEVELS_PCT), *(WeekdayRate(rates, p) for p in MARGINS_PCT)]
    policies += [Risk(Forecasts(asked), name, risk) for name, asked in forecasters.items() for risk in risks]
    policies += [*(Foresight(slack) for slack in SLACKS_H), *more]
    usual_h = _usual_h(stage.scene, rates)
    outcomes = [stage.as_it_was()]
    for before, policy in zip([None, *policies], policies, strict=False):
        if policy.family in forecasters:
            say(f"{policy.family} at {policy.parameter:g}")
        elif before is None or before.family != policy.family:
            say(policy.family)
        outcomes.append(stage.outcome(*follow(policy, stage.scene, usual_h, stage.open)))
    points = pd.DataFrame(
        {"family": [SCHEDULE, *(p.family for p in policies)], "parameter": [np.nan, *(p.parameter for p in policies)]}
    )
    emptyings, overflow_h, fill_pct = (np.stack(parts) for parts in zip(*outcomes, strict=True))
    streams = history.bins.unique["stream"].reindex(stage.scene.bin_ids).fillna("mixed").to_numpy(object)
    return Replay(stage.scene.bin_ids, streams, points, stage.hours, emptyings, overflow_h, fill_pct)


def follow(policy: Policy, scene: Scene, usual_h: np.ndarray, open_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow a policy: where it empties bins, (b, k) bool, and points in them less the sum thrown in, (b, k + 1)."""
    chances = scene.opportunities
    bins, most = len(scene.bin_ids), chances.most
    picks, base = np.zeros((bins, most), dtype=bool), np.zeros((bins, most + 1))
    base[:, 0] = scene.first_base
    for k in range(most):
        rows = np.flatnonzero(open_[:, k])
        base[:, k + 1] = base[:, k]
        if not len(rows):
            continue
        at_us = chances.at_us[rows, k]
        moment = Moment(
            scene, k, rows, chances.decided_us[rows, k], at_us, chances.at_us[rows, k + 1],
            base[:, : k + 1], picks[:, :k], usual_h[rows],
        )  # fmt: skip
        picks[rows, k] = policy.pick(moment)
        left = scene.deposits.left[rows] - scene.deposits.until(rows, at_us)
        base[rows, k + 1] = np.where(picks[rows, k], left, base[rows, k])
    return picks, base


def _usual_h(scene: Scene, rates: Weekly) -> np.ndarray:
    """(b,) hours in which a bin usually fills, by its mean rate before the start."""
    rate = rates.rate.mean(axis=1)[rates.bin_ids.get_indexer(pd.Index(scene.bin_ids))]
    return (scene.full_pct - scene.deposits.left_pct) / np.maximum(rate, 1e-3)
