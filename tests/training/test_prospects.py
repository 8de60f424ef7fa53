from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.brim import BRIM_H
from training.grid import HORIZONS_H, LEARNED, LEVELS, MEDIAN, NEAR_H, NORMAL, p_full, with_ends
from training.prospects import Prospects, _reaching
from training.resistance import Resistance

BELIEVED = np.ones((1, len(NEAR_H)))


def prospects(emptied: float = 0.0) -> Prospects:
    """A bin at 15% that gathers half a point an hour and is usually emptied in nine hours; of which readings tell."""
    left = 15 + NEAR_H / 2
    fallen = np.where(NEAR_H < 9, left, (NEAR_H - 9) / 2)
    spread = 0.5 * NORMAL
    gained = (HORIZONS_H[:, None] / 2 + 0.1 * NORMAL * np.sqrt(HORIZONS_H)[:, None])[None]
    return Prospects(
        np.zeros(1, dtype=int), (fallen[:, None] + spread)[None], (left[:, None] + spread)[None], gained,
        np.array([emptied]), gained, BELIEVED, BELIEVED, np.array(["mixed"], dtype=object), np.array([95.0]),
        np.zeros(1, dtype=bool), 100 * LEARNED + gained,
    )  # fmt: skip


def test_the_table_falls_with_the_round_and_what_nobody_s_coming_means_does_not() -> None:
    table, nobody = prospects().left_alone(Resistance.none()), prospects().unattended(Resistance.none())
    assert table.shape == nobody.shape == (1, len(HORIZONS_H), len(LEVELS))
    late = int(np.flatnonzero(NEAR_H == 12)[0])
    assert table[0, late, MEDIAN] == pytest.approx(1.5)
    assert table[0, 0, MEDIAN] == pytest.approx(15)  # the hours before the round do not share its fall
    assert nobody[0, late, MEDIAN] == pytest.approx(21)
    assert (np.diff(nobody, axis=1) >= 0).all()


def test_who_was_probably_emptied_begins_anew() -> None:
    nobody = prospects(emptied=0.9).unattended(Resistance.none())
    assert nobody[0, 0, MEDIAN] == pytest.approx(0, abs=0.5)
    at_95 = int(np.searchsorted(LEVELS, 0.95))
    assert nobody[0, 0, at_95] == pytest.approx(15, abs=1)  # in one case of ten it was not
    assert (np.diff(nobody, axis=1) >= 0).all()


def test_a_faulty_sensor_is_half_believed_and_anything_may_lie_there() -> None:
    sound, faulty = (
        replace(prospects(), faulty=np.array([wrong])).unattended(Resistance.none()) for wrong in (False, True)
    )
    day = int(np.flatnonzero(HORIZONS_H == 24)[0])
    assert faulty[0, 0, MEDIAN] == pytest.approx(16, abs=2)  # most likely where it says; else half below, half above
    assert faulty[0, 0, int(np.searchsorted(LEVELS, 0.9))] == pytest.approx(80, abs=2)
    assert p_full(sound)[0, day] < 0.01
    assert p_full(faulty)[0, day] == pytest.approx(0.5 * 0.17, abs=0.02)  # who is at 83% or more is full in a day
    assert (np.diff(faulty, axis=1) >= 0).all()
    assert (np.diff(faulty, axis=2) >= 0).all()


def test_the_improbable_is_left_out() -> None:
    one, other = (prospects(emptied=p).unattended(Resistance.none()) for p in (0.0, 0.004))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("trust", [1.0, 0.5])
def test_a_bin_is_full_no_less_often_if_nobody_comes_than_where_nobody_came(trust: float) -> None:
    windows = np.broadcast_to(60 + LEARNED, (1, len(NEAR_H), len(LEARNED))).copy()
    windows[:, 1:, LEARNED > 0.7] += 39  # every fourth one leaps to the rim, as sensors do
    hardly = 0.01 * HORIZONS_H[:, None] + 0.001 * NORMAL  # own rates expect nothing at all
    bin_ = replace(
        prospects(), near=windows, no_round=windows, gained=hardly[None], belief=0.3 * BELIEVED, trust=trust * BELIEVED
    )
    nobody = bin_.unattended(Resistance.none())
    without = replace(bin_, trust=0 * BELIEVED).unattended(Resistance.none())
    day = int(np.flatnonzero(HORIZONS_H == 24)[0])
    left_alone, told, before = (p_full(part)[0, day] for part in (with_ends(windows), nobody, without))
    assert before < left_alone - 0.1
    assert told == pytest.approx(before + trust * (left_alone - before), abs=0.03)
    assert (np.diff(nobody, axis=1) >= 0).all()
    assert (np.diff(nobody, axis=2) >= 0).all()


def test_who_would_be_full_more_often_by_his_own_rates_is_told_so() -> None:
    one, other = (replace(prospects(), trust=t * BELIEVED).unattended(Resistance.none()) for t in (0, 1))
    np.testing.assert_array_equal(one, other)


def test_who_reaches_his_brim_by_own_rates_is_told_full_later() -> None:
    bin_ = replace(prospects(), belief=0 * BELIEVED)
    day = int(np.flatnonzero(HORIZONS_H >= 2 * (90 - 15))[0])  # when 90% are reached by half a point an hour
    usual, leaping = (p_full(replace(bin_, brim=np.array([b])).unattended(Resistance.none()))[0] for b in (95.0, 90.0))
    assert usual[day] < 0.1
    assert leaping[day] > 0.9
    assert (np.diff(leaping) >= 0).all()


def test_the_brim_counts_as_far_as_the_ensemble_is_not_believed_and_not_of_now() -> None:
    # Held at 91%: nothing of what own rates tell lies at 95%, and the ensemble knows no leap either.
    level = np.broadcast_to(91 + 0.5 * NORMAL, (1, len(NEAR_H), len(LEARNED))).copy()
    hardly = 1e-4 * HORIZONS_H[:, None] + 1e-5 * NORMAL
    bin_ = replace(prospects(), near=level, no_round=level, gained=hardly[None], brim=np.array([91.0]))
    unknown, half, known = (
        p_full(replace(bin_, belief=belief * BELIEVED).unattended(Resistance.none()))[0] for belief in (0, 0.5, 1)
    )
    learned = int(np.flatnonzero(BRIM_H[0] == HORIZONS_H)[0])
    assert unknown[0] < 0.01
    assert unknown[learned] == pytest.approx(0.5, abs=0.01)
    assert half[learned] == pytest.approx(0.25, abs=0.03)  # quantiles are made monotone over the horizon
    assert known[learned] < 0.01
    for told in (unknown, half, known):
        assert (np.diff(told) >= 0).all()


@given(st.floats(0.001, 0.98), st.floats(40, 94.5), st.floats(0.1, 30))
def test_risks_between_two_levels_are_told_as_they_are(full: float, middle: float, width: float) -> None:
    quantiles = with_ends(np.sort(middle + width * NORMAL))[None]
    raised = _reaching(quantiles, np.array([full]))
    assert (np.diff(raised) >= 0).all()
    assert (raised >= quantiles).all()
    assert p_full(raised)[0] == pytest.approx(max(full, p_full(quantiles)[0]), abs=1e-3)
