from __future__ import annotations

import numpy as np
import pytest

from training.encoding import Encoding
from training.features import feature_names

NAMES = feature_names()


def matrix(rows: int, bins: int = 2, seed: int = 0) -> np.ndarray:
    """Random features: level and the like of any size, codes and hours as they come."""
    rng = np.random.default_rng(seed)
    out = rng.lognormal(size=(rows, len(NAMES))) * 10
    for name, most in (("hour", 24), ("at_hour", 24), ("weekday", 7), ("at_weekday", 7), ("stream", 3), ("bin", bins)):
        out[:, NAMES.index(name)] = rng.integers(0, most, rows)
    out[:, NAMES.index("at_holiday")] = rng.integers(0, 2, rows)
    out[rng.random(rows) < 0.3, NAMES.index("since_emptied_h")] = np.nan
    return out


def test_inputs_have_no_gaps_and_like_sizes() -> None:
    features = matrix(5000)
    features[:, NAMES.index("cycle_pace")] = np.nan  # a column that was never known
    with np.errstate(all="raise"):
        inputs = Encoding.learn(NAMES, features)(features)
    assert inputs.dtype == np.float32
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= 4


def test_ranks_are_read_as_normal_scores_and_what_is_far_out_stays_within() -> None:
    features = matrix(5000)
    encoding = Encoding.learn(NAMES, features)
    asked = np.tile(features[:1], (3, 1))
    column = NAMES.index("rough_168h")
    asked[:, column] = [np.median(features[:, column]), 1e9, -1e9]
    inputs = encoding(asked)
    changed = np.flatnonzero(np.ptp(inputs, axis=0) > 0)
    assert len(changed) == 1
    np.testing.assert_allclose(inputs[:, changed[0]], [0, 2.576, -2.576], atol=0.05)


def test_a_column_often_unknown_says_so() -> None:
    features = matrix(5000)
    encoding = Encoding.learn(NAMES, features)
    asked = np.tile(features[:1], (2, 1))
    asked[:, NAMES.index("since_emptied_h")] = [np.nan, np.median(features[~np.isnan(features).any(axis=1)], axis=0)[0]]
    inputs = encoding(asked)
    assert ((inputs[0] == 1) & (inputs[1] == 0)).any()


@pytest.mark.parametrize(("bins", "told"), [(5, 5), (6, 0)])
def test_bins_are_told_apart_only_where_each_has_a_thousand_examples(bins: int, told: int) -> None:
    features = matrix(5000, bins)
    features[:bins, NAMES.index("bin")] = np.arange(bins)
    assert Encoding.learn(NAMES, features).bins == told


def test_an_unknown_bin_or_stream_has_no_input() -> None:
    features = matrix(5000)
    encoding = Encoding.learn(NAMES, features)
    asked = features[:1].copy()
    asked[0, NAMES.index("bin")] = asked[0, NAMES.index("stream")] = -1
    assert (encoding(asked)[0, -encoding.bins - encoding.streams :] == 0).all()
    assert encoding(features[:1])[0, -encoding.bins - encoding.streams :].sum() == 2
