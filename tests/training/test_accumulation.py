from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.history import History
from data.readings import Readings
from data.sequences import HOUR_US, microsecond
from training.accumulation import ENOUGH, REACH_PCT, Accumulation
from training.brim import Brim
from training.curriculum import plan
from training.examples import Examples, spans
from training.features import Features
from training.grid import MIDDLE, NEAR_H
from training.model import FillModel
from training.paces import PRIOR_PCT
from training.profiles import FillRateProfiles
from training.resistance import LEVELS_PCT, Resistance
from training.settings import ModelSettings

MIXED = np.array(["mixed"], dtype=object)
SLOW_AT_THE_BRIM = replace(Resistance.none(), ease=np.array([[1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5]]))


def columns(pace: float, per_day: float = 16.0, rough: float = 2.0) -> dict[str, np.ndarray]:
    found = {"pace_672h": pace, "rough_672h": rough, "step_h": 1.0, "profile_pct_per_day": per_day}
    return {name: np.array([value]) for name, value in found.items()}


def paced(pace: float, hoped: np.ndarray) -> np.ndarray:
    """How the features tell that a bin gathered `pace` times the `hoped` points."""
    return (pace * hoped + PRIOR_PCT[-1]) / (hoped + PRIOR_PCT[-1])


KNOWN, NATIVE = np.array([True]), np.array([False])


def test_what_is_gathered_rises_with_the_level_and_with_what_is_expected() -> None:
    hope = np.cumsum(np.full((1, 37), 3.0), axis=1)
    made = Accumulation.default().gained(hope, np.array([0.05]))
    assert (np.diff(made, axis=2) > 0).all()
    assert (np.diff(made, axis=1) > 0).all()
    assert (made >= 0).all()
    assert made[0, -1, MIDDLE] == pytest.approx(111, rel=0.05)


def test_the_spread_has_the_variance_of_lumps_and_of_an_uncertain_pace() -> None:
    model = Accumulation.default()
    made = model.gained(np.array([[100.0]]), np.array([0.01]))[0, 0]
    deviation = np.sqrt(model.noise * 100 + (0.01 + model.doubt**2) * 100**2)
    assert (made[9] - made[3]) / 2 == pytest.approx(0.8416 * deviation, rel=0.05)


def test_the_pace_is_drawn_toward_one_the_less_was_seen_of_the_bin() -> None:
    model = Accumulation.default()
    fast, fast_left = model.pace(columns(1.5, per_day=40.0), 28 * np.array([40.0]), KNOWN, NATIVE)
    slow, slow_left = model.pace(columns(1.5, per_day=1.0), 28 * np.array([1.0]), KNOWN, NATIVE)
    assert 1 < slow[0] < fast[0] < 1.5
    assert slow_left[0] > fast_left[0]


def test_the_pace_of_a_bin_without_history_is_one_and_wide_open() -> None:
    model = Accumulation.default()
    pace, left = model.pace(columns(3.0, rough=np.nan), np.zeros(1), ~KNOWN, NATIVE)
    assert pace[0] == pytest.approx(1, abs=0.05)
    assert left[0] == pytest.approx(model.drift_new**2, rel=0.05)


def test_a_pace_is_the_surer_the_longer_the_bin_was_seen() -> None:
    model = Accumulation.default()
    points = 16.0 * np.array([0.5, 2, 7, 28])  # half a day to four weeks
    told = {name: np.repeat(value, 4) for name, value in columns(np.nan).items()} | {"pace_672h": paced(3.0, points)}
    pace, left = model.pace(told, points, np.repeat(~KNOWN, 4), np.repeat(NATIVE, 4))
    assert (np.diff(pace) > 0).all()
    assert (np.diff(left) < 0).all()
    assert left[0] > 10 * left[-1]


def test_a_stream_that_nobody_knows_has_its_own_pace() -> None:
    """Its profile is the city's, which tells next to nothing of it."""
    model = Accumulation.default()
    points = np.full(2, 57.0 * 28)
    told = {name: np.repeat(value, 2) for name, value in columns(np.nan, per_day=57.0, rough=6.0).items()}
    told["pace_672h"] = paced(0.03, points)
    new, foreign = np.zeros(2, dtype=bool), np.array([False, True])
    pace, _ = model.pace(told, points, new, foreign)
    assert abs(np.log(pace[1] / 0.03)) < 0.5 * abs(np.log(pace[0] / 0.03))
    _, left = model.pace(told, np.zeros(2), new, foreign)
    assert left[1] > 4 * left[0]


def test_boosters_are_trusted_the_less_the_farther_out_they_are_asked(tiny_model: FillModel) -> None:
    usual = {name: np.repeat(value, len(REACH_PCT)) for name, value in columns(1.0).items()}
    far = np.repeat(REACH_PCT[:, None], len(NEAR_H), axis=1)
    trust = tiny_model.accumulation.trust(far, usual, np.repeat(KNOWN, len(far)), np.repeat(NATIVE, len(far)))
    assert (np.diff(trust, axis=0) <= 0).all()
    assert (np.diff(trust, axis=1) <= 0).all()
    assert (trust >= 0).all()
    assert (trust < 1).all()
    half = replace(tiny_model.accumulation, support=np.full((len(NEAR_H), len(REACH_PCT)), ENOUGH))
    assert half.trust(np.full((1, len(NEAR_H)), np.nan), columns(1.0), KNOWN, NATIVE)[0].tolist() == [0.5] * len(NEAR_H)


def test_boosters_are_not_asked_of_strangers_slower_or_faster_than_all_they_saw(tiny_model: FillModel) -> None:
    told = {name: np.repeat(value, 5) for name, value in columns(1.0).items()}
    told["profile_pct_per_day"] = np.array([0.01, 16.0, 500.0, 500.0, 16.0])
    near = np.full((5, len(NEAR_H)), 50.0)
    known, foreign = np.arange(5) == 3, np.arange(5) == 4
    slow, usual, fast, known, foreign = tiny_model.accumulation.trust(near, told, known, foreign)
    assert (slow < 0.1 * usual).all()
    assert (fast == 0).all()
    assert (known >= usual).all()
    np.testing.assert_allclose(foreign, usual / 2)


@pytest.mark.parametrize(
    ("leaps_from", "in_steps", "brim"), [(90.0, False, 90.0), (95.0, False, 95.0), (90.0, True, 95.0)]
)
def test_the_brim_is_where_windows_say_that_sensors_leap_from(leaps_from: float, in_steps: bool, brim: float) -> None:
    rng, k = np.random.default_rng(4), 6000
    model = Accumulation.default()
    level, hope = rng.uniform(50, 94, k), rng.uniform(5, 40, k)
    variance = model.noise * hope + (model.doubt * hope) ** 2
    true = level + rng.gamma(hope**2 / variance, variance / hope)
    told = {name: np.repeat(value, k) for name, value in columns(1.0).items()} | {
        "bin": np.arange(k) % 10.0, "expected_pct": hope,
    }  # fmt: skip
    features = Features(tuple(told), np.column_stack(list(told.values())), level)
    examples = Examples(
        features=features,
        rise=np.where(true >= leaps_from, 100, true) - level,
        stream=np.full(k, "paper", dtype=object),
        horizon_h=rng.choice([6.0, 12.0, 24.0, 48.0], k),
        as_of=np.arange(k) * HOUR_US,
        bin_ids=(np.arange(k) % 10).astype(str).astype(object),
        weather=np.zeros((k, 2)),
        in_steps=np.full(k, in_steps),
    )
    examples.rise[examples.horizon_h == 48] = 0.0  # left alone since nothing came: not asked
    assert model._brim(examples).at(np.array(["paper"], dtype=object))[0] == pytest.approx(brim, abs=1.0)


def test_what_a_model_learned_of_accumulation_survives_its_text(tiny_model: FillModel) -> None:
    learned = replace(tiny_model.accumulation, brim=Brim(("paper",), np.array([95.0, 92.5])))
    again = Accumulation.from_json(learned.to_json())
    assert again.to_json() == learned.to_json()
    assert again.brim.at(np.array(["paper", "glass"], dtype=object)).tolist() == [92.5, 95.0]


@given(st.floats(-50, 400))
def test_resistance_there_and_back_is_where_one_was(level: float) -> None:
    there = SLOW_AT_THE_BRIM.gathered(np.array([[level]]), MIXED)
    assert SLOW_AT_THE_BRIM.level(there, MIXED)[0, 0] == pytest.approx(level, abs=1e-6)


def test_a_slow_brim_takes_twice_as_many_points() -> None:
    assert SLOW_AT_THE_BRIM.gathered(np.array([[85.0, 95.0]]), MIXED).tolist() == [[85, 105]]


def test_resistance_is_learned_by_stream_against_what_comes_below_sixty_percent() -> None:
    level = np.tile(LEVELS_PCT[:-1], 2)
    stream = np.repeat(np.array(["glass", "paper"], dtype=object), 8)
    expected = np.where(stream == "paper", 10_000.0, 1.0)
    learned = Resistance.learn(level, np.where(level < 60, 2.0, 0.5) * expected, expected, stream)
    np.testing.assert_allclose(learned.ease[2, :3], 1.0, atol=0.02)
    np.testing.assert_allclose(learned.ease[2, 3:], 0.25, atol=0.02)
    np.testing.assert_allclose(learned.ease[1], 1.0, atol=0.05)
    assert Resistance.from_json(learned.to_json()).to_json() == learned.to_json()


def test_where_sensors_see_no_further_bins_do_not_fill_the_faster() -> None:
    level = np.tile(LEVELS_PCT[LEVELS_PCT <= 80], 2)
    expected = np.full(len(level), 5_000.0)
    learned = Resistance.learn(
        level, np.where(level < 80, 1.0, 0.0) * expected, expected, np.array(["mixed"] * len(level))
    )
    np.testing.assert_allclose(learned.ease[:, :5], 1.0, atol=0.02)
    np.testing.assert_allclose(learned.ease[:, 5:], 0.1)


def test_points_lead_onward_through_a_slow_brim() -> None:
    kind = np.zeros(2, dtype=int)
    assert SLOW_AT_THE_BRIM.onward(np.array([50.0, 80.0]), np.array([20.0, 25.0]), kind).tolist() == [70, 95]
    assert SLOW_AT_THE_BRIM.at(np.array([84.0, 86.0]), kind).tolist() == [1, 0.5]


def emptied_every_other_day(rng: np.random.Generator, days: int) -> History:
    """Hourly readings of bins that gather 2 points an hour, half a point above 70%, emptied mostly on 3 days a week."""
    hours = np.arange(24 * days)
    frames = []
    for name in ("a", "b", "c", "d"):
        fill, level = np.zeros(len(hours)), 0.0
        for hour in hours:
            emptied = hour % 24 == 8 and (hour // 24 % 7 in (0, 2, 4)) != (rng.random() < 0.3)
            level = 0.0 if emptied else min(level + rng.gamma(1, 2.0) * (0.25 if level >= 70 else 1), 100)
            fill[hour] = level
        at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h")
        noisy = np.clip(fill + rng.normal(0, 1, len(fill)), 0, 100).round()
        frames.append(pd.DataFrame({"bin_id": name, "measured_at": at, "received_at": at, "fill_pct": noisy}))
    return History.of(Readings.checked(pd.concat(frames)))


def test_a_bin_emptied_on_fixed_days_is_not_taken_for_slow_on_the_others() -> None:
    history = emptied_every_other_day(np.random.default_rng(0), 84)
    until = history.readings.frame["received_at"].max()
    lesson = plan(history, until, ModelSettings(examples=500), np.random.default_rng(0))
    plain = FillRateProfiles().fit(*spans(history, microsecond(until)))
    empty, full = slice(24 + 10, 24 + 18), slice(48, 48 + 7)  # Tuesday's hours, and Wednesday's before the emptying
    as_it_looks, learned = plain.rates_.mean(axis=0), lesson.profiles.rates_.mean(axis=0)
    assert as_it_looks[full].mean() < 0.6 * as_it_looks[empty].mean()
    np.testing.assert_allclose([learned[full].mean(), learned[empty].mean()], 2.0, rtol=0.15)
    assert (lesson.resistance.ease[0, 4:8] < 0.55).all()
    assert lesson.resistance.ease[0, 1] == pytest.approx(1.0, abs=0.1)
    assert lesson.earlier.evidence_h_.sum() < 0.8 * lesson.profiles.evidence_h_.sum()


@pytest.mark.parametrize("pace", [0.05, 15.0])
def test_a_stranger_may_be_far_off_its_streams_pace_but_no_bin_off_its_own(pace: float) -> None:
    points = np.full(2, 50.0 * 28)
    told = {"step_h": 1.0, "profile_pct_per_day": 50.0, "rough_672h": 0.5, "pace_672h": paced(pace, points)[0]}
    columns = {name: np.full(2, value) for name, value in told.items()}
    (known, stranger), _ = Accumulation.default().pace(
        columns, points, np.array([True, False]), np.zeros(2, dtype=bool)
    )
    assert 0.2 <= known <= 5
    assert stranger == pytest.approx(pace, rel=0.2)


def test_drift_is_told_by_what_the_past_alone_knew() -> None:
    """Rates that double late: profiles of all that was seen would explain both, those of before need the pace."""
    rng = np.random.default_rng(1)
    hours = np.arange(24 * 84)
    frames = []
    for k in range(6):
        rate = np.where(hours < hours[-1] * 0.7, 0.5, 1.0 + 0.2 * k)
        fill = np.cumsum(rng.poisson(rate)) % 90
        at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h")
        frames.append(pd.DataFrame({"bin_id": f"b{k}", "measured_at": at, "received_at": at, "fill_pct": fill}))
    history = History.of(Readings.checked(pd.concat(frames)))
    model = FillModel.fit(history, settings=ModelSettings(examples=3000, trees=3, networks=1, epochs=1))
    assert model.accumulation.drift >= 0.4
