from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.accumulation import ENOUGH, REACH_PCT, Accumulation
from training.grid import MIDDLE, NEAR_H
from training.model import FillModel
from training.resistance import LEVELS_PCT, Resistance

MIXED = np.array(["mixed"], dtype=object)
SLOW_AT_THE_BRIM = replace(Resistance.none(), ease=np.array([[1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5]]))


def columns(pace: float, per_day: float = 16.0, rough: float = 2.0) -> dict[str, np.ndarray]:
    found = {"pace_672h": pace, "rough_672h": rough, "step_h": 1.0, "profile_pct_per_day": per_day}
    return {name: np.array([value]) for name, value in found.items()}


KNOWN = np.array([True])


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
    fast, fast_left = model.pace(columns(1.5, per_day=40.0), KNOWN)
    slow, slow_left = model.pace(columns(1.5, per_day=1.0), KNOWN)
    assert 1 < slow[0] < fast[0] < 1.5
    assert slow_left[0] > fast_left[0]


def test_the_pace_of_a_bin_without_history_is_one_and_wide_open() -> None:
    model = Accumulation.default()
    pace, left = model.pace(columns(3.0, rough=np.nan), ~KNOWN)
    assert pace[0] == pytest.approx(1, abs=0.05)
    assert left[0] == pytest.approx(model.drift_new**2, rel=0.05)


def test_boosters_are_trusted_the_less_the_farther_out_they_are_asked(tiny_model: FillModel) -> None:
    trust = tiny_model.accumulation.trust(np.repeat(REACH_PCT[:, None], len(NEAR_H), axis=1))
    assert (np.diff(trust, axis=0) <= 0).all()
    assert (np.diff(trust, axis=1) <= 0).all()
    assert (trust >= 0).all()
    assert (trust < 1).all()
    half = replace(tiny_model.accumulation, support=np.full((len(NEAR_H), len(REACH_PCT)), ENOUGH))
    assert half.trust(np.full((1, len(NEAR_H)), np.nan))[0].tolist() == [0.5] * len(NEAR_H)


def test_what_a_model_learned_of_accumulation_survives_its_text(tiny_model: FillModel) -> None:
    again = Accumulation.from_json(tiny_model.accumulation.to_json())
    assert again.to_json() == tiny_model.accumulation.to_json()


@given(st.floats(-50, 400))
def test_resistance_there_and_back_is_where_one_was(level: float) -> None:
    there = SLOW_AT_THE_BRIM.gathered(np.array([[level]]), MIXED)
    assert SLOW_AT_THE_BRIM.level(there, MIXED)[0, 0] == pytest.approx(level, abs=1e-6)


def test_a_slow_brim_takes_twice_as_many_points() -> None:
    assert SLOW_AT_THE_BRIM.gathered(np.array([[85.0, 95.0]]), MIXED).tolist() == [[85, 105]]


def test_resistance_is_learned_by_stream_and_drawn_toward_none() -> None:
    level = np.tile(LEVELS_PCT[:-1], 2)
    stream = np.repeat(np.array(["glass", "paper"], dtype=object), 8)
    expected = np.where(stream == "paper", 10_000.0, 1.0)
    learned = Resistance.learn(level, 0.6 * expected, expected, stream)
    np.testing.assert_allclose(learned.ease[2], 0.6, atol=0.02)
    np.testing.assert_allclose(learned.ease[1], 1.0, atol=0.02)
    assert Resistance.from_json(learned.to_json()).to_json() == learned.to_json()
