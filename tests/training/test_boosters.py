from __future__ import annotations

import numpy as np

from training.boosters import WEEK_US, QuantileBoosters
from training.examples import Examples
from training.features import Features

NAMES = ("stream", "x")


def examples(rows: dict[int, int], bins: int = 10, weeks: int = 30) -> Examples:
    """Random rises, `rows` many of each stream: around 5 in stream 0, around 15 in stream 1, 25 in stream 2."""
    rng = np.random.default_rng(0)
    stream = np.repeat(list(rows), list(rows.values()))
    n = len(stream)
    matrix = np.column_stack([stream.astype(float), rng.normal(size=n)])
    return Examples(
        features=Features(NAMES, matrix, np.full(n, 10.0)),
        rise=5 + 10 * stream + rng.normal(0, 2, n),
        stream=np.array([f"stream {k}" for k in stream], dtype=object),
        horizon_h=np.full(n, 6.0),
        as_of=rng.integers(0, weeks, n) * WEEK_US,
        bin_ids=np.array([f"b{k}" for k in rng.integers(0, bins, n)], dtype=object),
    )


def fitted(some: Examples, threads: int = 1) -> QuantileBoosters:
    chosen = {"num_leaves": 4, "min_data_in_leaf": 20, "learning_rate": 0.3, "extra_trees": True}
    return QuantileBoosters.fit(some, chosen, 20, threads, 0, lambda _: None)


def asked(stream: float, rows: int = 1) -> Features:
    return Features(NAMES, np.tile([stream, 0.0], (rows, 1)), np.full(rows, 10.0))


def test_a_stream_with_evidence_has_boosters_of_its_own_and_others_share_the_pooled() -> None:
    boosters = fitted(examples({0: 3000, 1: 3000, 2: 100}))
    assert set(boosters.own) == {0, 1}
    assert all(0 < share < 0.5 for share in boosters.weight.values())


def test_evidence_is_counted_in_weeks_of_bins_not_in_rows() -> None:
    short = fitted(examples({0: 3000}, bins=2, weeks=4)).weight[0]
    long = fitted(examples({0: 3000}, bins=20, weeks=50)).weight[0]
    assert short < 0.1 < 0.4 < long


def test_quantiles_are_the_weighted_mean_of_both() -> None:
    boosters = fitted(examples({0: 3000, 1: 3000}))
    features = asked(1.0)
    pooled = np.array([[b.predict(features.matrix)[0] for b in boosters.pooled]])
    own = np.array([[b.predict(features.matrix)[0] for b in boosters.own[1]]])
    share = boosters.weight[1]
    np.testing.assert_allclose(boosters.predict(features), 10 + (1 - share) * pooled + share * own, atol=1e-9)


def test_an_unknown_stream_is_answered_by_the_pooled_boosters() -> None:
    boosters = fitted(examples({0: 3000, 1: 3000}))
    features = asked(-1.0)
    pooled = np.array([[b.predict(features.matrix)[0] for b in boosters.pooled]])
    np.testing.assert_array_equal(boosters.predict(features), 10 + pooled)


def test_threads_do_not_change_the_boosters() -> None:
    some = examples({0: 3000, 1: 2500})
    one, two = fitted(some, 1).files, fitted(some, 2).files
    assert {k: b.model_to_string() for k, b in one.items()} == {k: b.model_to_string() for k, b in two.items()}


def test_what_files_names_can_be_read_again() -> None:
    boosters = fitted(examples({0: 3000}))
    again = QuantileBoosters.of_files(boosters.files.__getitem__, boosters.weight)
    np.testing.assert_array_equal(again.predict(asked(0.0, 3)), boosters.predict(asked(0.0, 3)))


def test_no_rows_have_no_quantiles() -> None:
    assert fitted(examples({0: 2500})).predict(asked(0.0, 0)).shape == (0, 13)
