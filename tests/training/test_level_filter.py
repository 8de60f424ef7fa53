from __future__ import annotations

import numpy as np
import pytest

from data.sequences import HOUR_US, MILLI, Sequences
from training.level_filter import USUAL_VARIANCE, filtered, noise_variance
from training.profiles import NANO


def sequences(fills: np.ndarray) -> tuple[Sequences, np.ndarray]:
    """Hourly readings (m, k) of m bins, and which are their first."""
    m, k = fills.shape
    measured = np.tile(np.arange(k) * HOUR_US, m)
    s = Sequences(
        np.arange(m + 1) * k, np.repeat(np.arange(m), k), measured, measured, np.rint(fills.ravel() * MILLI).astype(int)
    )
    return s, s.is_first


def filling(noise: float, bins: int = 400, hours: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True levels and readings (bins, hours), and what is expected (bins x hours,): half a point an hour, in lumps."""
    rng = np.random.default_rng(7)
    truth = 10 + np.cumsum(rng.poisson(0.25, (bins, hours)) * 2.0, axis=1)
    expected = np.tile(np.arange(hours) * 0.5 * NANO, bins).astype(np.int64)
    return truth, truth + rng.normal(0, noise, truth.shape), expected


def told(fills: np.ndarray, expected: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    m, k = fills.shape
    s, _ = sequences(fills)
    begin = np.arange(m) * k
    return filtered(s, begin, begin + k - 1, expected, np.ones(m), np.full(m, variance))


@pytest.mark.parametrize("noise", [1.0, 2.0, 4.0])
def test_the_noise_of_a_sensor_is_found_whatever_is_thrown_in(noise: float) -> None:
    _, fills, expected = filling(noise, hours=400)
    s, breaks = sequences(fills)
    found = noise_variance(s, breaks, expected, np.zeros(len(fills)))
    assert np.sqrt(np.median(found)) == pytest.approx(noise, rel=0.1)


def test_noise_is_taken_for_usual_where_nothing_tells_it_and_levels_told_in_steps_are_off_by_them() -> None:
    s, breaks = sequences(np.array([[20.0, 40.0]]))
    found = noise_variance(s, breaks, np.zeros(2, dtype=np.int64), np.array([20.0]))
    assert found[0] == pytest.approx(USUAL_VARIANCE + 400 / 12)


@pytest.mark.parametrize("noise", [2.0, 4.0])
def test_the_filter_is_nearer_to_the_truth_than_any_mean_of_readings_and_knows_how_near(noise: float) -> None:
    truth, fills, expected = filling(noise)
    level, deviation = told(fills, expected, noise**2)
    error = np.abs(level - truth[:, -1]).mean()
    means = [np.abs(fills[:, -k:].mean(axis=1) - truth[:, -1]).mean() for k in range(1, 25)]
    assert error < 0.9 * min(means)
    assert np.sqrt(np.mean((level - truth[:, -1]) ** 2)) == pytest.approx(deviation.mean(), rel=0.25)


def test_something_bulky_is_believed_at_once_and_sooner_where_the_sensor_is_calm() -> None:
    fills = np.r_[np.full(30, 20.0), 40.0][None]
    expected = (np.arange(31) * 0.2 * NANO).astype(np.int64)
    calm, _ = told(fills, expected, 1.0)
    restless, unsure = told(fills, expected, 100.0)
    assert calm[0] == pytest.approx(40, abs=1)
    assert restless[0] < 35
    assert unsure[0] > 3


def test_a_sensor_that_sees_all_anew_is_followed() -> None:
    fills = np.r_[np.full(30, 40.0), np.full(6, 29.0)][None]
    level, _ = told(fills, np.zeros(36, dtype=np.int64), 4.0)
    assert level[0] == pytest.approx(29, abs=1)


def test_what_was_expected_since_a_reading_long_ago_counts() -> None:
    fills = np.array([[20.0, 20.0]])
    level, _ = told(fills, np.array([0, 30 * int(NANO)]), 25.0)
    assert 21 < level[0] < 40
