from __future__ import annotations

import numpy as np
import pandas as pd

from data.history import History
from data.jumps import noise_limit, unexplained
from data.readings import Readings
from data.sequences import Archive, Sequences, microsecond

START = pd.Timestamp("2024-03-04", tz="UTC")


def sequence(fill: list[float], at_h: np.ndarray) -> Sequences:
    """One bin's readings, so many hours after START."""
    at = START + pd.to_timedelta(at_h, unit="h")
    frame = pd.DataFrame({"bin_id": "a", "measured_at": at, "received_at": at, "fill_pct": fill})
    end = np.array([microsecond(START + pd.Timedelta(days=60))])
    return Archive.of(History.of(Readings.checked(frame))).sequences(["a"], end, None)


def odd(fill: list[float], per_day: float, step_h: float = 1.0) -> list[int]:
    """Which steps no deposit explains, for a bin that fills at `per_day` percent."""
    s = sequence(fill, np.arange(len(fill)) * step_h)
    return np.flatnonzero(unexplained(s, np.array([per_day]), noise_limit(s))).tolist()


def test_a_jump_up_and_the_return_are_unexplained() -> None:
    assert odd([20.0, 21, 22, 95, 96, 23, 24], 2.0) == [3, 5]


def test_a_heavy_deposit_is_explained_where_the_bin_gets_many() -> None:
    fill = [5.0, 10, 60, 62, 63]
    assert odd(fill, 40.0) == []
    assert odd(fill, 2.0) == [2]


def test_a_noisy_sensor_may_step_farther() -> None:
    rng = np.random.default_rng(1)
    calm, noisy = (30 + np.arange(200) * 0.05 + rng.normal(0, noise, 200) for noise in (1.0, 6.0))
    for fill in (calm, noisy):
        fill[100] = fill[99] + 18
    assert 100 in odd(calm.round().tolist(), 1.0)
    assert 100 not in odd(noisy.round().tolist(), 1.0)


def test_one_step_of_a_coarse_sensor_is_explained() -> None:
    assert odd([0.0, 0, 20, 20, 20, 40, 40, 60], 3.0) == []


def test_what_came_in_over_a_day_is_explained() -> None:
    assert odd([10.0, 12, 60, 61], 2.0, step_h=24.0) == []


def test_a_gap_that_may_hide_an_emptying_says_nothing() -> None:
    s = sequence(np.linspace(50, 60, 12).tolist(), np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 22, 23, 24]))
    assert np.flatnonzero(unexplained(s, np.array([20.0]), noise_limit(s))).tolist() == [9]


def test_the_usual_gaps_of_a_daily_sensor_hide_nothing() -> None:
    assert odd([10.0, 20, 30, 40, 50], 10.0, step_h=24.0) == []
