from __future__ import annotations

import json

import numpy as np
import pytest

from data.sequences import HOUR_US
from training.examples import Examples
from training.features import Features
from training.grid import NORMAL
from training.recalibration import Recalibration

ROWS, WEEKS = 30_000, 39
LEVEL = 40.0


def told(deviation: np.ndarray) -> np.ndarray:
    """(k, 13) quantiles about LEVEL."""
    return LEVEL + deviation[:, None] * NORMAL


def late(truth: np.ndarray, *, in_steps: bool = False, bin_code: float = 0.0, weeks: int = WEEKS) -> Examples:
    """Examples that were held back, of 50 bins in so many weeks."""
    rows = len(truth)
    row = np.arange(rows)
    return Examples(
        features=Features(("bin",), np.full((rows, 1), bin_code), np.full(rows, LEVEL)),
        rise=truth - LEVEL,
        stream=np.full(rows, "glass", dtype=object),
        horizon_h=np.array([6.0, 24.0, 72.0])[row % 3],
        as_of=(row % weeks * 7 * 24 * HOUR_US).astype(np.int64),
        bin_ids=(row % 50).astype(object),
        weather=np.zeros((rows, 2)),
        in_steps=np.full(rows, in_steps),
    )


def applied(recalibration: Recalibration, quantiles: np.ndarray, *, kept: bool = False) -> np.ndarray:
    rows = len(quantiles)
    stream, horizon_h = np.full(rows, "glass", dtype=object), np.full(rows, 24.0)
    return recalibration.apply(quantiles, stream, horizon_h, np.full(rows, kept))


def holds(made: np.ndarray, truth: np.ndarray) -> float:
    """Share of truths within half a point of the 80% interval."""
    return float(((truth >= made[:, 2] - 0.5) & (truth <= made[:, 10] + 0.5)).mean())


@pytest.mark.parametrize("deviation", [1.2, 3.0, 12.0])
def test_80_percent_intervals_hold_80_percent_of_whole_percents_however_wide_they_are(deviation: float) -> None:
    rng = np.random.default_rng(1)

    def asked(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What came true, in whole percents, and quantiles that are too wide by half."""
        middle = rng.uniform(-10, 10, ROWS)
        return np.rint(LEVEL + middle + spread * rng.standard_normal(ROWS)), told(1.5 * spread) + middle[:, None]

    truth, quantiles = asked(rng.choice([1.2, 3.0, 12.0], ROWS))
    recalibration = Recalibration.learn(quantiles, late(truth))
    fresh, quantiles = asked(np.full(ROWS, deviation))
    assert holds(quantiles, fresh) > 0.88
    assert holds(applied(recalibration, quantiles), fresh) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("why", [{"in_steps": True}, {"bin_code": -1.0}])
def test_sensors_that_tell_steps_and_bins_that_nobody_knows_keep_their_widths(why: dict[str, float]) -> None:
    rng = np.random.default_rng(2)
    quantiles, truth = told(np.full(ROWS, 12.0)), np.rint(LEVEL + 6 * rng.standard_normal(ROWS))
    usual, other = (Recalibration.learn(quantiles, late(truth, **how)) for how in ({}, why))  # type: ignore[arg-type]
    by_horizon = usual.calibration.apply(quantiles[:1], np.array(["glass"], dtype=object), np.array([2]))

    def width(made: np.ndarray) -> float:
        return float(np.ptp(made[0, [2, 10]]))

    assert width(applied(usual, quantiles[:1])) < 0.8 * width(by_horizon)
    for recalibration, kept in ((usual, True), (other, True), (other, False)):  # 39 weeks: 1% farther out
        assert width(applied(recalibration, quantiles[:1], kept=kept)) == pytest.approx(width(by_horizon), rel=0.03)


def test_who_held_back_few_weeks_tells_wider_intervals() -> None:
    rng = np.random.default_rng(3)
    truth, quantiles = LEVEL + 12 * rng.standard_normal(ROWS), told(np.full(ROWS, 12.0))
    few, many = (
        applied(Recalibration.learn(quantiles, late(truth, weeks=weeks)), quantiles[:1]) for weeks in (3, WEEKS)
    )
    assert few[0, 10] - few[0, 2] > 1.02 * (many[0, 10] - many[0, 2])


def test_without_a_week_held_back_nothing_changes() -> None:
    quantiles = told(np.array([5.0, 10.0]))
    recalibration = Recalibration.learn(quantiles[:0], late(np.zeros(0)))
    np.testing.assert_array_equal(applied(recalibration, quantiles), quantiles)


def test_it_comes_back_from_json_the_same() -> None:
    rng = np.random.default_rng(4)
    quantiles = told(rng.uniform(1, 30, ROWS))
    recalibration = Recalibration.learn(quantiles, late(np.clip(LEVEL + 20 * rng.standard_normal(ROWS), 0, 100)))
    again = Recalibration.from_json(json.loads(json.dumps(recalibration.to_json())))
    np.testing.assert_array_equal(applied(again, quantiles[:50]), applied(recalibration, quantiles[:50]))
