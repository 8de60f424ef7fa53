"""When a model is to be trained anew: what it is good for now, and whether bins still do what it learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from training.backtest import backtest
from training.baselines import baseline
from training.drift import Change, changes
from training.evidence import Blocks, evidence
from training.habits import Habits, heard_bins
from training.model import FillModel
from training.monitor_settings import MonitorSettings

OK, RETRAIN, CANNOT_SAY = "ok", "retrain", "cannot say"
AGAINST = "weekday-rate"
DAY, YEAR = pd.Timedelta(days=1), pd.Timedelta(days=364)  # whole weeks
LEAST_ASKED = pd.Timedelta(days=4)
TITLES = {
    "silent": ("silent bins", "of all days without a reading", "{:.1%}"),
    "reading_rate": ("reading rate", "readings a day", "{:.1f}"),
    "emptying_rate": ("emptying rate", "emptyings a day", "{:.2f}"),
    "levels": ("levels", "read in the mean", "{:.0f}%"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was watched: what came of it (ok, retrain, cannot say), the number, its limit, and in words."""

    name: str
    outcome: str
    value: float | None
    limit: str
    words: str


@dataclass(frozen=True)
class Accuracy:
    """Scores of the champion and of the baseline on the same windows, in one order; `source` in words."""

    champion: pd.DataFrame
    baseline: pd.DataFrame
    source: str


@dataclass(frozen=True)
class Report:
    """What `monitor` found of one version, heard by `at`."""

    model: str
    trained_until: pd.Timestamp
    at: pd.Timestamp
    accuracy: str
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is to be trained anew; empty where nothing speaks for it."""
        return tuple(check.words for check in self.checks if check.outcome == RETRAIN)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "model": self.model, "trained_until": self.trained_until.isoformat(), "at": self.at.isoformat(),
            "retrain": bool(self.reasons), "accuracy": self.accuracy, "checks": [asdict(c) for c in self.checks],
        }  # fmt: skip


def monitor(
    model: FillModel,
    history: History,
    accuracy: Accuracy | None,
    *,
    at: pd.Timestamp,
    settings: MonitorSettings,
    say: Callable[[str], None] = lambda step: None,
) -> Report:
    """Watch a model on what was heard by `at`; `accuracy`: of recorded forecasts, or where these are few made now."""
    rng = np.random.default_rng(settings.seed)
    trained = pd.Timestamp(model.card["trained_until"])
    start = max(at - settings.days * DAY, trained)
    if accuracy is None or not _enough(accuracy, settings):
        say("forecasting the newest days as of then")
        accuracy = asked_again(model, history, start, at, settings, rng)
    say("comparing with the training")
    checks = (
        *accuracy_checks(accuracy, settings),
        *drift_checks(history, trained, at, settings, rng),
        new_bins_check(model, history, start, settings),
    )
    return Report(model.version, trained, at, accuracy.source, checks)


def asked_again(
    model: FillModel,
    history: History,
    start: pd.Timestamp,
    end: pd.Timestamp,
    settings: MonitorSettings,
    rng: np.random.Generator,
) -> Accuracy:
    """Forecasts of some bins as of moments from `start` on, which the model has not learned from."""
    nothing = pd.DataFrame()
    if end - start < LEAST_ASKED:
        return Accuracy(nothing, nothing, f"only {(end - start) / DAY:.1f} days were heard since the training")
    ids = np.sort(history.readings.frame["bin_id"].unique())
    chosen = rng.permutation(ids)[: settings.bins]
    some = history.select(chosen.tolist())
    forecasters = {"champion": model, AGAINST: baseline(AGAINST).fit(some, start)}
    try:
        made = backtest(
            forecasters,
            some,
            start=start,
            end=end,
            every=pd.Timedelta(hours=settings.every_h),
            horizons_h=settings.horizons_h,
        )
    except InputError as error:
        return Accuracy(nothing, nothing, error.found)
    source = f"{len(made.scorable):,} windows of {len(chosen)} bins, forecast as of then: too few or none were recorded"
    return Accuracy(made.rows("champion"), made.rows(AGAINST), source)


def accuracy_checks(accuracy: Accuracy, settings: MonitorSettings) -> tuple[Check, ...]:
    """Whether the 80% interval still holds what it says, and whether the baseline does as well.

    Both need the whole 95% interval of blocks of a bin and a week to speak against the model.
    """
    low, high = settings.coverage
    limits = f"{low:.0%} to {high:.0%}", f"at least {settings.least_skill:.0%}"
    rows = accuracy.champion
    if not _enough(accuracy, settings):
        found = f"{accuracy.source}: too few windows to tell" if len(rows) else accuracy.source
        return tuple(
            Check(name, CANNOT_SAY, None, limit, f"{name}: {found}")
            for name, limit in zip(("coverage", "skill"), limits, strict=True)
        )
    table = evidence(rows, accuracy.baseline, ())
    all_ = table[table["horizon_h"].isna()].iloc[0]
    held, held_low, held_high = (float(all_[name]) for name in ("cover80", "cover80_low", "cover80_high"))
    skill, skill_low, skill_high = (float(all_[name]) for name in ("skill", "skill_low", "skill_high"))
    outcome = RETRAIN if held_high < low or held_low > high else OK if low <= held <= high else CANNOT_SAY
    better = RETRAIN if skill_high < settings.least_skill else OK if skill >= settings.least_skill else CANNOT_SAY
    return (
        Check("coverage", outcome, held, limits[0],
              f"coverage: 80% intervals hold {held:.1%} of what came true (95% interval {held_low:.1%} to "
              f"{held_high:.1%}), wanted {limits[0]}"),
        Check("skill", better, skill, limits[1],
              f"skill: {skill:+.1%} of CRPS saved against {AGAINST} (95% interval {skill_low:+.1%} to "
              f"{skill_high:+.1%}), wanted {limits[1]}"),
    )  # fmt: skip


def drift_checks(
    history: History, trained: pd.Timestamp, at: pd.Timestamp, settings: MonitorSettings, rng: np.random.Generator
) -> tuple[Check, ...]:
    """Whether bins and sensors still have the habits of the training's last weeks.

    What differs from these may be the season: where last year's same weeks were heard, only what differs from them as
    well counts.
    """
    limits = {
        "silent": (settings.silent, f"at most {settings.silent:.0%} of all days more"),
        "reading_rate": (settings.reading_rate, f"within {settings.reading_rate:.0%}"),
        "emptying_rate": (settings.emptying_rate, f"within {settings.emptying_rate:.0%}"),
        "levels": (settings.level_psi, f"index below {settings.level_psi:g}"),
    }
    first = history.readings.frame["measured_at"].min()
    days = min(settings.days, _weeks(at - trained))
    learned_days = min(settings.reference_days, _weeks(trained - first - DAY))
    lacking = None
    if days < settings.least_days:
        lacking = f"only {(at - trained) / DAY:.1f} days were heard since the training"
    elif learned_days < 14:
        lacking = "the readings at hand reach back no two weeks before the end of the training"
    if lacking:
        return tuple(
            Check(TITLES[habit][0], CANNOT_SAY, None, limit, f"{TITLES[habit][0]}: {lacking}")
            for habit, (_, limit) in limits.items()
        )
    start = at - days * DAY
    now = Habits.of(history, start, days)
    spans = {f"the training's last {learned_days} days": Habits.of(history, trained - learned_days * DAY, learned_days)}
    if first + DAY <= start - YEAR:
        spans["the same weeks of last year"] = Habits.of(history, start - YEAR, days)
    found = {words: changes(before, now, settings.draws, rng) for words, before in spans.items()}
    return tuple(
        _drift_check({words: some[place] for words, some in found.items()}, *limits[habit], settings)
        for place, habit in enumerate(limits)
    )


def new_bins_check(model: FillModel, history: History, start: pd.Timestamp, settings: MonitorSettings) -> Check:
    """Whether many of the bins heard have no profile of their own."""
    heard = heard_bins(history, start)
    limit = f"at most {settings.new_bins:.0%}"
    if not len(heard):
        return Check("new bins", CANNOT_SAY, None, limit, f"new bins: no reading since {start:%Y-%m-%d}")
    new = np.setdiff1d(heard.astype(object), model.profiles.bin_ids_)
    share = len(new) / len(heard)
    words = f"new bins: {len(new):,} of {len(heard):,} bins heard have no profile ({share:.0%}), wanted {limit}"
    return Check("new bins", RETRAIN if share > settings.new_bins else OK, share, limit, words)


def _drift_check(against: dict[str, Change], limit: float, limit_words: str, settings: MonitorSettings) -> Check:
    """One habit against every span: it drifted where it left all of them one way, surely and by more than `limit`.

    Of silence only more is a drift: sensors that are heard again are none that the model knew worse.
    """
    known = {span: c for span, c in against.items() if c.bins >= settings.least_bins and not np.isnan(c.size)}
    first = next(iter(against.values()))
    title, unit, shape = TITLES[first.habit]
    if not known:
        said = f"{title}: {first.bins} bins tell of it now and before, too few"
        return Check(title, CANNOT_SAY, None, limit_words, said)
    surely = settings.silent_surely if first.habit == "silent" else settings.surely
    sure = all(c.chance < surely for c in known.values())
    more = all(c.size > limit for c in known.values())
    less = first.habit != "silent" and all(c.size < -limit for c in known.values())
    change = next(iter(known.values()))
    told = [f"{shape.format(c.before)} in {span}" for span, c in known.items()]
    size = f"index {change.size:.2f}" if first.habit == "levels" else f"{change.size:+.0%}"
    said = f"{title}: {shape.format(change.now)} {unit} now, {', '.join(told)} ({size}, chance {change.chance:.2g})"
    outcome = RETRAIN if sure and (more or less) else OK
    return Check(title, outcome, change.size, limit_words, f"{said}, wanted {limit_words}")


def _enough(accuracy: Accuracy, settings: MonitorSettings) -> bool:
    rows = accuracy.champion
    return len(rows) > 0 and len(Blocks.of(rows)) >= settings.least_blocks


def _weeks(span: pd.Timedelta) -> int:
    """Days of the whole weeks in a span."""
    return max(int(span / DAY), 0) // 7 * 7


def report_text(report: Report) -> str:
    """The report for a terminal."""
    head = (
        f"{report.model}, trained until {report.trained_until:%Y-%m-%d %H:%M} UTC, watched until "
        f"{report.at:%Y-%m-%d %H:%M} UTC. Accuracy: {report.accuracy}."
    )
    wide = max(len(check.outcome) for check in report.checks)
    return "\n".join([head, *(f"{check.outcome:<{wide}}  {check.words}" for check in report.checks)])
