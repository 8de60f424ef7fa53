from __future__ import annotations

import numpy as np
import pytest

from data.resolution import STEPS_PCT, resolution
from data.sequences import HOUR_US, MILLI, Sequences


def sequences(*levels: list[float]) -> Sequences:
    """A sequence each, hourly."""
    sizes = [len(some) for some in levels]
    hours = np.concatenate([np.arange(size) for size in sizes]).astype(np.int64) * HOUR_US
    fill = np.rint(np.concatenate(levels) * np.array(MILLI)).astype(np.int64)
    return Sequences(
        np.concatenate([[0], np.cumsum(sizes)]), np.repeat(np.arange(len(sizes)), sizes), hours, hours, fill
    )


@pytest.mark.parametrize("step", STEPS_PCT)
def test_a_sensor_that_speaks_in_steps_is_known_by_its_readings(step: float) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, round(100 / step) + 1, 60) * step
    assert resolution(sequences(levels.tolist())).tolist() == [step]


def test_a_finer_sensor_has_no_steps() -> None:
    rng = np.random.default_rng(1)
    assert resolution(sequences(rng.integers(0, 101, 60).tolist(), rng.uniform(0, 100, 60).tolist())).tolist() == [0, 0]


def test_few_values_may_be_round_by_chance() -> None:
    assert resolution(sequences([0] * 30 + [20, 40], [40] * 30, [0, 100] * 20, [])).tolist() == [0, 0, 0, 0]


def test_one_stray_value_in_a_hundred_is_a_slip() -> None:
    levels = [20.0, 40.0, 60.0, 80.0] * 40
    one, three = levels.copy(), levels.copy()
    one[50] = 37.0
    three[50:53] = [37.0, 41.0, 43.0]
    assert resolution(sequences(one, three)).tolist() == [20, 0]
