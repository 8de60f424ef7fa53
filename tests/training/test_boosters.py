from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.boosters import RIM_PCT, THRESHOLDS, ThresholdBoosters, thresholds_of
from training.examples import Examples
from training.features import Features

NAMES = ("stream", "x")


def examples(rows: int) -> Examples:
    """Random rises around 5 where x is below zero, around 25 elsewhere."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    return Examples(
        features=Features(NAMES, np.column_stack([np.zeros(rows), x]), np.full(rows, 10.0)),
        rise=np.where(x < 0, 5, 25) + rng.normal(0, 4, rows),
        stream=np.full(rows, "mixed", dtype=object),
        horizon_h=np.full(rows, 6.0),
        as_of=np.arange(rows),
        bin_ids=np.full(rows, "b", dtype=object),
        weather=np.zeros((rows, 2)),
        in_steps=np.zeros(rows, dtype=bool),
    )


def fitted(some: Examples, threads: int = 1) -> ThresholdBoosters:
    chosen = {"num_leaves": 4, "min_data_in_leaf": 20, "learning_rate": 0.3, "extra_trees": True}
    return ThresholdBoosters.fit(some, chosen, 20, threads, 0, lambda _: None)


def asked(x: float, rows: int = 1) -> Features:
    return Features(NAMES, np.tile([0.0, x], (rows, 1)), np.full(rows, 10.0))


def test_quantiles_are_of_the_level_not_of_the_rise() -> None:
    boosters = fitted(examples(3000))
    low, high = boosters.predict(asked(-1.0))[0], boosters.predict(asked(1.0))[0]
    np.testing.assert_allclose([low[6], high[6]], [15, 35], atol=1.5)
    assert 8 < high[10] - high[2] < 13  # 80% of a normal distribution of deviation 4: 10.3 points


def test_threads_do_not_change_the_boosters() -> None:
    some = examples(3000)
    one, two = fitted(some, 1), fitted(some, 2)
    assert [b and b.model_to_string() for b in one.boosters] == [b and b.model_to_string() for b in two.boosters]
    assert one.shares == two.shares


def test_where_nothing_lies_between_the_quantiles_leap() -> None:
    some = examples(3000)
    leaps = np.random.default_rng(1).random(3000) < 0.3
    told = fitted(replace(some, rise=np.where(leaps, 90.0, 0.0))).predict(asked(0.0))[0]  # full, or as it was
    assert (told[:6] < 11).all()
    assert (told[9:] >= RIM_PCT).all()


def test_thresholds_lie_between_empty_and_full() -> None:
    thresholds = thresholds_of(np.array([0.0, 50.0, 100.0]))
    assert thresholds.shape == (3, THRESHOLDS)
    assert (np.diff(thresholds, axis=1) >= 0).all()
    assert thresholds.min() == 0.5
    assert thresholds.max() == 99.5


def test_a_threshold_that_no_level_passes_needs_no_booster() -> None:
    boosters = fitted(examples(3000))
    assert boosters.boosters[-1] is None  # nothing rises to the rim
    assert boosters.shares[-1] == 1
    assert boosters.boosters[0] is None
    assert boosters.shares[0] == 0


def test_quantiles_rise() -> None:
    told = fitted(examples(2500)).predict(asked(0.1, 5))
    assert (np.diff(told, axis=1) >= 0).all()


def test_no_rows_have_no_quantiles() -> None:
    assert fitted(examples(2500)).predict(asked(0.0, 0)).shape == (0, 13)
