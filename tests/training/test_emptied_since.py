from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.emptyings import Emptyings
from data.history import History
from data.readings import Readings
from data.sequences import Archive, microsecond
from tests.conftest import QUICK
from training.calendar import WEEK_H, Clock
from training.emptied_since import EmptiedSince
from training.model import FillModel
from training.profiles import Accumulated
from training.settings import ModelSettings
from training.situations import describe

MONDAY = pd.Timestamp("2024-03-04T00:00Z").as_unit("us")
BINS = [f"bin-{k}" for k in range(12)]
ROUND_H = 9.5


def rounds(until: pd.Timestamp, missed: float = 0.1) -> Readings:
    """Hourly readings of bins that gather 2 points an hour and are emptied at half past nine, but for some days."""
    rng = np.random.default_rng(1)
    frames = []
    hour = np.arange(24 * 40)
    for name in BINS:
        comes = np.where((hour % 24 == 10) & (rng.random(len(hour)) >= missed), hour, 0)
        since = hour - np.maximum.accumulate(comes) + rng.uniform(0, 1)
        at = MONDAY + pd.to_timedelta(hour, unit="h")
        fill = np.minimum(2 * since, 100)
        frames.append(pd.DataFrame({"bin_id": name, "measured_at": at, "received_at": at, "fill_pct": fill}))
    told = pd.concat(frames)
    return Readings.checked(told[told["measured_at"] <= until])


def history_at(as_of: pd.Timestamp, reports: pd.DataFrame | None = None) -> History:
    emptyings = Emptyings.none() if reports is None else Emptyings.checked(reports)
    return History(rounds(as_of), emptyings, History.of(Readings.none()).bins)


def probabilities(learned: EmptiedSince, history: History, as_of: pd.Timestamp) -> np.ndarray:
    ids = np.array(BINS, dtype=object)
    moment = np.full(len(ids), microsecond(as_of))
    clock = Clock.over(np.full(len(ids), "UTC", dtype=object), microsecond(MONDAY) - 10**12, int(moment[0]) + 10**10)
    rates = Accumulated.of(np.full((len(ids), WEEK_H), 2.0), np.arange(len(ids)))
    found = describe(Archive.of(history), history, ids, moment, rates, clock)
    return learned.probability(found, moment, clock)


@pytest.fixture(scope="module")
def learned() -> EmptiedSince:
    end = MONDAY + pd.Timedelta(days=30)
    return EmptiedSince.learn(history_at(end), microsecond(end), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("heard_h", "asked_h", "least", "most"),
    [
        (9, 9.95, 0.75, 1.0),  # the round has come, as on nine days of ten, and nothing was heard since
        (9, 9.05, 0.0, 0.2),  # hardly anything of that hour has passed
        (13, 13.9, 0.0, 0.02),  # it never comes at this hour
        (9, 17, 0.75, 1.0),  # all day nothing was heard
    ],
)
def test_a_round_that_comes_daily_has_probably_come(
    learned: EmptiedSince, heard_h: float, asked_h: float, least: float, most: float
) -> None:
    day = MONDAY + pd.Timedelta(days=33)
    told = history_at(day + pd.Timedelta(hours=heard_h))
    likely = probabilities(learned, told, day + pd.Timedelta(hours=asked_h))
    assert least <= np.median(likely) <= most


def test_where_emptyings_are_reported_one_would_have_been(learned: EmptiedSince) -> None:
    day = MONDAY + pd.Timedelta(days=33)
    report = pd.DataFrame({"bin_id": [BINS[0]], "emptied_at": [day - pd.Timedelta(days=3)]})
    likely = probabilities(learned, history_at(day + pd.Timedelta(hours=9), report), day + pd.Timedelta(hours=9.9))
    assert likely[0] == 0
    assert likely[1:].min() > 0.3


def test_too_few_emptyings_teach_nothing() -> None:
    end = MONDAY + pd.Timedelta(hours=30)
    nothing = EmptiedSince.learn(history_at(end), microsecond(end), np.random.default_rng(0))
    assert nothing.booster is None
    assert (probabilities(nothing, history_at(end), end) == 0).all()


def test_if_nobody_comes_from_now_on_counts_who_has_probably_come() -> None:
    end = MONDAY + pd.Timedelta(days=30)
    how = ModelSettings(examples=2_000, trees=10, leaf_examples=20, **QUICK)
    model = FillModel.fit(history_at(end), until=end, settings=how)
    day = MONDAY + pd.Timedelta(days=33)
    heard, asked = day + pd.Timedelta(hours=9), day + pd.Timedelta(hours=9.9)
    told = model.forecast(history_at(heard), asked, BINS)
    usual = sum("probably emptied" in " ".join(why) for why in told.reasons)
    assert usual > len(BINS) / 2
    full = np.array(["probably emptied" in " ".join(why) for why in told.reasons])
    before = model.forecast(history_at(heard), heard, BINS)
    assert told.fill_now_pct[full].max() < 5 < before.fill_now_pct[full].min()
    assert (np.diff(told.values, axis=1) >= 0).all()
    assert (np.diff(told.values, axis=2) >= 0).all()
