from __future__ import annotations

from statistics import NormalDist

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.isotonic import isotonic_regression

from training.grid import (
    FAR_H,
    HORIZONS_H,
    LEARNED,
    LEVELS,
    MEDIAN,
    MIDDLE,
    NEAR_H,
    NORMAL,
    go_on,
    mixture,
    monotone,
    pooled,
    with_ends,
)
from training.resistance import Resistance

TRUSTED = np.ones((1, len(NEAR_H)))
MIXED = np.array(["mixed"], dtype=object)
ANY = npst.arrays(float, (2, 4, 5), elements=st.floats(-50, 150))


def near_of(spread: float) -> np.ndarray:
    """(1, 16, 13) a bin at 30 percent that fills by a point an hour."""
    return (30 + NEAR_H[:, None] + spread * NORMAL)[None]


def test_the_grid_reaches_two_weeks_in_rising_steps() -> None:
    assert HORIZONS_H[0] == 0
    assert HORIZONS_H[-1] == 14 * 24
    assert (np.diff(HORIZONS_H) > 0).all()
    assert (np.diff(LEVELS) > 0).all()
    assert LEVELS[MEDIAN] == LEARNED[MIDDLE] == 0.5


def test_the_normal_quantiles_are_those_of_the_levels() -> None:
    np.testing.assert_allclose(NORMAL, [NormalDist().inv_cdf(level) for level in LEARNED], atol=1e-4)


@given(ANY)
def test_monotone_never_falls_with_the_horizon_nor_with_the_level(values: np.ndarray) -> None:
    made = monotone(values)
    assert (np.diff(made, axis=1) >= 0).all()
    assert (np.diff(made, axis=2) >= 0).all()
    assert made.min() >= values.min()
    assert made.max() <= values.max()


def test_a_fall_is_shared_by_those_that_it_concerns() -> None:
    made = monotone(np.array([10.0, 30.0, 20.0, 40.0])[None, :, None])  # at 0, 1, 3 and 6 h: 1.5 h and 2.5 h fall
    shared = (1.5 * 30 + 2.5 * 20) / 4
    np.testing.assert_allclose(made[0, :, 0], [10, shared, shared, 40])


@given(ANY)
def test_monotone_is_the_isotonic_regression_over_the_horizon(values: np.ndarray) -> None:
    made, hours = monotone(values[:, :, :1]), np.gradient(HORIZONS_H)[:4]
    for row in range(len(values)):
        np.testing.assert_allclose(
            made[row, :, 0], isotonic_regression(values[row, :, 0], sample_weight=hours), atol=1e-9
        )


@given(ANY)
def test_what_is_monotone_already_stays(values: np.ndarray) -> None:
    once = monotone(values)
    np.testing.assert_array_equal(monotone(once), once)


def test_the_tails_go_on_as_they_end() -> None:
    values = np.array([[1.0, *range(3, 14), 20.0]])
    ends = with_ends(values)
    assert ends.shape == (1, len(LEVELS))
    np.testing.assert_array_equal(ends[:, 3:-3], values)
    per_fold = 7 / np.log(2.5)  # from 5% beyond 13 to 2% beyond 20
    np.testing.assert_allclose(ends[0, -3:], 20 + per_fold * np.log([4, 20, 100]))
    np.testing.assert_allclose(ends[0, :3], 1 - 2 / 7 * per_fold * np.log([100, 20, 4]))


def test_beyond_three_days_the_forecast_passes_over_to_the_own_rates_and_never_falls() -> None:
    near, rise = near_of(4.0), 0.5 * HORIZONS_H[None, :, None]
    whole = go_on(near, rise + np.zeros(13), TRUSTED, MIXED, Resistance.none())
    assert whole.shape == (1, len(HORIZONS_H), len(LEARNED))
    np.testing.assert_allclose(whole[:, : len(NEAR_H)], near)
    far = whole[0, -len(FAR_H) :, MIDDLE]
    assert far[0] == max(2 / 3 * (102 + 6) + 1 / 3 * (30 + 42), 102)  # 84 h: a third of the way to the own rates alone
    assert (far >= 102).all()
    np.testing.assert_allclose(far[FAR_H >= 144], (30 + 0.5 * FAR_H)[FAR_H >= 144])


def test_a_bin_that_gathers_nothing_stays_as_it_is_after_three_days() -> None:
    whole = go_on(near_of(4.0), np.zeros((1, len(HORIZONS_H), 13)), TRUSTED, MIXED, Resistance.none())
    np.testing.assert_allclose(whole[:, len(NEAR_H) :], np.repeat(near_of(4.0)[:, -1:], len(FAR_H), axis=1))


def test_where_boosters_are_not_trusted_the_level_now_and_the_own_rates_speak_alone() -> None:
    gained = 0.5 * HORIZONS_H[None, :, None] + np.zeros(13)
    whole = go_on(near_of(4.0), gained, np.zeros((1, len(NEAR_H))), MIXED, Resistance.none())
    np.testing.assert_allclose(whole, 30 + 4.0 * NORMAL + gained)


GRIDS = npst.arrays(float, (3, 4, len(LEVELS)), elements=st.floats(-20, 130)).map(monotone)


@given(GRIDS, GRIDS, npst.arrays(float, 3, elements=st.floats(0, 1)))
def test_a_mixture_rises_and_lies_between_both(values: np.ndarray, others: np.ndarray, share: np.ndarray) -> None:
    mixed = mixture(values, others, share)
    assert (np.diff(mixed, axis=1) >= 0).all()
    assert (np.diff(mixed, axis=2) >= 0).all()
    assert (mixed >= np.minimum(values, others).min(axis=(1, 2), keepdims=True) - 1e-9).all()
    assert (mixed <= np.maximum(values, others).max(axis=(1, 2), keepdims=True) + 1e-9).all()
    assert (mixed[share == 0] == values[share == 0]).all()


def test_a_mixture_has_the_probabilities_of_its_parts() -> None:
    """Two uniform distributions, 0-10 and 60-80 percent, of which the second comes with 30%."""
    values = np.broadcast_to(10 * LEVELS, (1, 2, len(LEVELS)))
    others = np.broadcast_to(60 + 20 * LEVELS, (1, 2, len(LEVELS)))
    mixed = mixture(values, others, np.array([0.3]))[0, 1]
    np.testing.assert_allclose(np.interp([5.0, 70.0], mixed, LEVELS), [0.35, 0.85], atol=0.03)
    expected = np.where(LEVELS <= 0.7, 10 * LEVELS / 0.7, 60 + 20 * (LEVELS - 0.7) / 0.3)
    apart = np.abs(LEVELS - 0.7) > 1e-6
    np.testing.assert_allclose(mixed[apart], expected[apart], atol=1e-9)


def test_a_mixture_of_the_same_is_the_same() -> None:
    values = np.broadcast_to(monotone(with_ends(near_of(5.0))), (1, len(NEAR_H), len(LEVELS)))
    np.testing.assert_allclose(mixture(values, values, np.array([0.4])), values, atol=1e-9)


RISING = npst.arrays(float, (4, len(LEARNED)), elements=st.floats(0, 100)).map(lambda values: np.sort(values, axis=1))


@given(RISING, RISING, RISING, st.tuples(st.integers(0, 10), st.integers(0, 10)))
def test_a_pool_rises_and_hangs_on_no_other_row(
    one: np.ndarray, two: np.ndarray, three: np.ndarray, parts: tuple[int, int]
) -> None:
    first = min(parts) / 10
    weights = np.tile([first, (max(parts) / 10) - first, 1 - max(parts) / 10], (4, 1))
    told = pooled([one, two, three], weights)
    assert (np.diff(told, axis=1) >= 0).all()
    for row in range(4):
        alone = pooled([member[row : row + 1] for member in (one, two, three)], weights[row : row + 1])
        np.testing.assert_array_equal(alone[0], told[row])


def test_a_pool_has_the_probabilities_of_its_members() -> None:
    """Three uniform distributions far from each other, of which every row believes one more than the others."""
    members = [np.broadcast_to(begin + 10 * LEARNED, (2, len(LEARNED))) for begin in (0, 40, 80)]
    told = pooled(members, np.array([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]))
    at = [int(np.flatnonzero(np.isclose(LEARNED, level))[0]) for level in (0.4, 0.6, 0.8)]
    assert (told[0, at] // 40 == [0, 1, 2]).all()
    assert (told[1, at] // 40 == [2, 2, 2]).all()
    assert told[1, 2] < 80
    np.testing.assert_allclose(told[0, at[0]], 8, atol=0.5)


def test_a_member_believed_alone_is_told_as_it_is() -> None:
    member = np.sort(np.random.default_rng(0).uniform(0, 100, (5, len(LEARNED))), axis=1)
    other = np.full_like(member, 50.0)
    for weights in ([1.0, 0.0], [0.0, 1.0]):
        members = [member, other] if weights[0] else [other, member]
        np.testing.assert_allclose(pooled(members, np.tile(weights, (5, 1))), member, atol=1e-6)
