from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibration import EVERYONE, KEPT, Calibration, below_quantiles, horizons, outside_intervals, widths
from training.grid import LEARNED, NORMAL

WEEK_US = 7 * 24 * 3_600_000_000
ROWS = 20_000


def learned(
    spread: float, shift: float = 0.0, streams: tuple[str, ...] = ("paper",), level: float = 50.0
) -> Calibration:
    """From quantiles of a normal with deviation 5 about `level`, of truths with `spread` times that, shifted."""
    rng = np.random.default_rng(4)
    quantiles = np.broadcast_to(level + 5 * NORMAL, (ROWS, len(NORMAL)))
    truth = np.clip(level + shift + spread * 5 * rng.standard_normal(ROWS), 0, 100)
    stream = np.resize(np.array(streams, dtype=object), ROWS)
    part, bins = horizons(rng.choice([6.0, 24.0, 72.0], ROWS)), np.arange(ROWS) % 100
    said = below_quantiles(truth, np.clip(quantiles, 0, 100))
    return Calibration.learn(said, stream, part, bins, (np.arange(ROWS) // 1000) * WEEK_US)


def applied(calibration: Calibration, stream: str = "paper") -> np.ndarray:
    """(3, 13) the same quantiles at 6, 24 and 72 hours, recalibrated."""
    values = np.broadcast_to(50 + 5 * NORMAL, (3, len(NORMAL)))
    return calibration.apply(values, np.full(3, stream, dtype=object), horizons(np.array([6.0, 24.0, 72.0])))


def test_what_is_calibrated_is_hardly_changed() -> None:
    np.testing.assert_allclose(applied(learned(1.0)), np.tile(50 + 5 * NORMAL, (3, 1)), atol=0.8)


def test_intervals_that_were_too_narrow_widen_toward_what_was_observed() -> None:
    made = applied(learned(1.5))
    inner = slice(2, 11)  # 10 to 90 percent
    np.testing.assert_allclose(made[:, inner], np.tile(50 + 7.5 * NORMAL, (3, 1))[:, inner], atol=1.2)


def test_intervals_that_were_too_wide_narrow() -> None:
    made = applied(learned(0.5))
    assert (made[:, 10] - made[:, 2] < 8).all()  # from 12.8


def test_a_bias_is_taken_out() -> None:
    assert (np.abs(applied(learned(1.0, shift=3.0))[:, 6] - 53) < 0.8).all()


def test_a_stream_that_was_not_held_back_is_treated_as_all_together() -> None:
    calibration = learned(1.5, streams=("paper", "glass"))
    everyone = Calibration({key: value for key, value in calibration.covered.items() if key[0] == EVERYONE})
    np.testing.assert_array_equal(applied(calibration, "organic"), applied(everyone, "paper"))


def test_where_all_is_full_nothing_can_be_said() -> None:
    calibration = learned(0.0, level=100.0, shift=30.0)
    for covered in calibration.covered.values():
        np.testing.assert_allclose(covered[6:], LEARNED[6:], atol=1e-6)  # the upper half is tied with the truth


def test_half_a_correction_lies_between_none_and_all_of_it() -> None:
    whole = learned(0.5)
    none, half = applied(whole.softened(0.0)), applied(whole.softened(0.5))
    np.testing.assert_allclose(none[0], 50 + 5 * NORMAL, atol=1e-6)
    width, narrow, wide = (made[:, 10] - made[:, 2] for made in (half, applied(whole), none))
    assert ((narrow < width) & (width < wide)).all()


def test_the_fewer_weeks_were_held_back_the_farther_out_quantiles_lie() -> None:
    calibration = learned(1.0)
    as_they_are, many, few = (applied(c) for c in (calibration, calibration.widened(52), calibration.widened(3)))
    width = [made[:, 10] - made[:, 2] for made in (as_they_are, many, few)]
    assert (width[0] < width[1]).all()
    np.testing.assert_allclose(width[2] / width[0], 1.05, atol=0.015)
    np.testing.assert_allclose(few[:, 6], as_they_are[:, 6], atol=0.1)


def test_no_held_back_weeks_change_nothing() -> None:
    np.testing.assert_array_equal(applied(Calibration.identity())[0], 50 + 5 * NORMAL)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_recalibrated_quantiles_never_cross(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.uniform(-10, 110, (rows, 13)), axis=1)
    stream = rng.choice(np.array(["a", "b"], dtype=object), rows)
    said = rng.choice([below_quantiles, outside_intervals])(rng.uniform(0, 100, rows), quantiles)
    part = horizons(rng.uniform(0, 72, rows))
    calibration = Calibration.learn(said, stream, part, rng.integers(0, 5, rows), rng.integers(0, 50, rows) * WEEK_US)
    made = calibration.apply(quantiles.repeat(3, axis=0), stream.repeat(3), np.tile([0, 2, 4], rows))
    assert (np.diff(made, axis=1) >= 0).all()
    assert ((made >= 0) & (made <= 100)).all()


def test_an_interval_holds_what_lies_within_half_a_point_of_it() -> None:
    quantiles = np.array([[20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80.0]])
    near, far = np.array([[29.6, 30.4, 70.4, 69.6], [29.4, 30.6, 70.6, 69.4]])
    np.testing.assert_array_equal(outside_intervals(near, quantiles.repeat(4, axis=0))[:, [2, 10]], [[0, 1]] * 4)
    np.testing.assert_array_equal(outside_intervals(far, quantiles.repeat(4, axis=0))[:, 2], [1, 0, 0, 0])
    np.testing.assert_array_equal(outside_intervals(far, quantiles.repeat(4, axis=0))[:, 10], [1, 1, 0, 1])
    assert outside_intervals(np.array([50.2]), quantiles)[0, 6] == 0.5


def test_parts_are_told_by_horizon_and_by_width() -> None:
    np.testing.assert_array_equal(horizons(np.array([1.0, 9.0, 10.0, 24.0, 48.0, 72.0])), [0, 0, 1, 2, 3, 4])
    quantiles = 50 + np.array([[1.5], [3.0], [30.0]]) * NORMAL
    np.testing.assert_array_equal(widths(quantiles, np.zeros(3, dtype=bool)), [0, 1, 2])
    np.testing.assert_array_equal(widths(quantiles, np.array([True, False, True])), [KEPT, 1, KEPT])


def test_it_comes_back_from_json_the_same() -> None:
    calibration = learned(1.3, streams=("paper", "glass"))
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again.covered.keys() == calibration.covered.keys()
    np.testing.assert_array_equal(applied(again), applied(calibration))
