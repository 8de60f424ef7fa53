from __future__ import annotations

import numpy as np
import pytest

from training import analogs as module
from training.analogs import Analogs, weighted_quantiles
from training.examples import Examples
from training.features import Features
from training.grid import LEARNED, NEAR_H

NAMES = ("bin", "hour", "weekday", "age_h", "raw_minus_level", "horizon_h")
HOUR_US = 3_600_000_000
IDS = np.array(["a", "b"], dtype=object)


def rows(hour: np.ndarray, horizon_h: float, *, bin_code: int = 0, weekday: int = 2, level: float = 30.0) -> Features:
    k = len(hour)
    columns = [np.full(k, bin_code), hour, np.full(k, weekday), np.full(k, 1.0), np.full(k, 2.0), np.full(k, horizon_h)]
    return Features(NAMES, np.column_stack(columns).astype(float), np.full(k, level))


def examples(horizon_h: float = 6.0, bin_id: str = "a", level: float = 30.0) -> Examples:
    """A year of Wednesdays, every hour: in the afternoon the bin rises by 40, else by 1."""
    hour = np.tile(np.arange(24.0), 52)
    features = rows(hour, horizon_h, level=level)
    k = len(hour)
    week = np.repeat(np.arange(52), 24)
    return Examples(
        features=features,
        rise=np.where((hour >= 12) & (hour < 18), 40.0, 1.0),
        stream=np.full(k, "paper", dtype=object),
        horizon_h=np.full(k, horizon_h),
        as_of=(week * 7 * 24 * HOUR_US + hour * HOUR_US).astype(np.int64),
        bin_ids=np.full(k, bin_id, dtype=object),
        weather=np.zeros((k, 2)),
        in_steps=np.zeros(k, dtype=bool),
    )


def test_what_came_at_this_hour_comes_again() -> None:
    analogs = Analogs.learn(examples(), IDS)
    told, count = analogs.predict(rows(np.array([15.0, 3.0]), 6.0))
    np.testing.assert_allclose(told[:, 6], [70, 31])  # levels, not rises
    assert (count > 50).all()


def test_rises_are_told_from_the_newest_reading() -> None:
    analogs = Analogs.learn(examples(), IDS)  # the newest reading lay 2 points above the filtered level of 30
    told, _ = analogs.predict(rows(np.array([3.0]), 6.0, level=40.0))
    np.testing.assert_allclose(told[0, 6], 41)


def test_of_other_bins_and_of_strangers_nothing_is_known() -> None:
    analogs = Analogs.learn(examples(), IDS)
    for code in (1, -1):
        told, count = analogs.predict(rows(np.array([15.0]), 6.0, bin_code=code))
        assert count[0] == 0
        np.testing.assert_allclose(told[0], 32)  # the newest reading


def test_between_two_horizons_it_is_straight_and_beyond_the_last_nothing() -> None:
    analogs = Analogs.learn(examples(6.0), IDS)
    told, count = analogs.predict(rows(np.array([3.0]), 3.0))
    np.testing.assert_allclose(told[0, 6], 31.5)
    assert 0 < count[0] < analogs.predict(rows(np.array([3.0]), 6.0))[1][0]
    assert analogs.predict(rows(np.array([3.0]), 9.0))[1][0] == 0


def test_a_row_does_not_hang_on_the_others() -> None:
    analogs = Analogs.learn(examples(), IDS)
    asked = rows(np.linspace(0, 23.9, 500), 5.0)
    whole, count = analogs.predict(asked)
    for row in (0, 77, 499):
        told, number = analogs.predict(asked.take(np.array([row])))
        np.testing.assert_array_equal(told[0], whole[row])
        assert number[0] == count[row]


def test_bins_of_few_and_of_many_moments_are_told_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    many, few = examples(), examples(bin_id="b").take(np.arange(5))
    both = Examples(
        Features(NAMES, np.vstack([many.features.matrix, few.features.matrix]),
                 np.concatenate([many.features.level, few.features.level])),
        *(np.concatenate([getattr(many, name), getattr(few, name)])
          for name in ("rise", "stream", "horizon_h", "as_of", "bin_ids", "weather", "in_steps")),
    )  # fmt: skip
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 3_000)
    analogs = Analogs.learn(both, IDS)
    hours = np.linspace(0, 23, 40)
    for code in (0, 1):
        told, count = analogs.predict(rows(hours, 6.0, bin_code=code))
        alone = Analogs.learn((many, few)[code], IDS).predict(rows(hours, 6.0, bin_code=code))
        np.testing.assert_array_equal(told, alone[0])
        np.testing.assert_array_equal(count, alone[1])
        assert (count > 0).all()


def test_horizons_far_from_what_they_stand_for_are_left_out() -> None:
    assert np.isnan(Analogs.learn(examples(7.4), IDS).rise).all()


def test_no_rows_have_no_quantiles() -> None:
    told, count = Analogs.learn(examples(), IDS).predict(rows(np.zeros(0), 6.0))
    assert told.shape == (0, len(LEARNED))
    assert count.shape == (0,)


def test_without_examples_nothing_is_told() -> None:
    analogs = Analogs.learn(examples().take(np.zeros(0, dtype=int)), IDS)
    assert analogs.rise.shape == (0, len(NEAR_H) - 1)
    assert analogs.predict(rows(np.array([1.0]), 6.0))[1][0] == 0


def test_arrays_make_the_same_again() -> None:
    analogs = Analogs.learn(examples(), IDS)
    asked = rows(np.array([15.0, 3.5]), 5.0)
    again = Analogs.of_arrays(analogs.arrays())
    np.testing.assert_array_equal(again.predict(asked)[0], analogs.predict(asked)[0])


def test_quantiles_count_by_weight() -> None:
    values = np.array([[1.0, 2.0, 3.0, np.nan]])
    told, count = weighted_quantiles(values, np.array([[1.0, 1.0, 1.0, 5.0]]))
    assert told[0, 6] == 2
    assert told[0, 0] == 1
    assert count[0] == pytest.approx(3)
    heavy, count = weighted_quantiles(values, np.array([[1.0, 1.0, 98.0, 0.0]]))
    assert heavy[0, 6] > 2.9
    assert count[0] < 1.1
    without = weighted_quantiles(np.array([[1.0, 2.5, 2.9, 3.0]]), np.array([[1.0, 0.0, 0.0, 1.0]]))[0]
    np.testing.assert_array_equal(without, weighted_quantiles(np.array([[1.0, 3.0]]), np.ones((1, 2)))[0])
    assert np.isnan(weighted_quantiles(np.full((1, 3), np.nan), np.ones((1, 3)))[0]).all()
