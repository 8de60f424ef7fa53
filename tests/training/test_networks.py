from __future__ import annotations

import numpy as np
import pytest

from training.backpropagation import Lesson, _gradient, _loss_slopes
from training.encoding import Encoding
from training.examples import Examples
from training.features import Features, feature_names
from training.grid import LEARNED
from training.network import Network, rises
from training.networks import QuantileNetworks

NAMES = feature_names()
NO_BINS = Encoding.learn(NAMES, np.zeros((1, len(NAMES))))
EXPECTED = NAMES.index("expected_pace_pct")


def examples(rows: int = 6000) -> Examples:
    """Rises of half of what is expected, give or take a fifth of it, in bins that stand at 30%; the rim at 100."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(rows, len(NAMES)))
    for name in ("hour", "at_hour", "weekday", "at_weekday", "stream", "bin", "at_holiday"):
        matrix[:, NAMES.index(name)] = 0
    expected = rng.uniform(0, 100, rows)
    matrix[:, EXPECTED] = expected
    rise = expected * (0.5 + 0.2 * rng.normal(size=rows))
    return Examples(
        features=Features(NAMES, matrix, np.full(rows, 30.0)),
        rise=np.clip(rise, -30, 70),
        stream=np.full(rows, "mixed", dtype=object),
        horizon_h=np.full(rows, 6.0),
        as_of=np.arange(rows),
        bin_ids=np.full(rows, "b", dtype=object),
        weather=np.zeros((rows, 2)),
        in_steps=np.zeros(rows, dtype=bool),
    )


@pytest.fixture(scope="module")
def fitted() -> QuantileNetworks:
    return QuantileNetworks.fit(Lesson.of(examples(), 0.3), 500, 2, 1, 0, lambda _: None)


def asked(expected: np.ndarray) -> Features:
    some = examples(len(expected))
    some.features.matrix[:, EXPECTED] = expected
    return some.features


def test_what_is_proportional_is_learned_with_its_spread(fitted: QuantileNetworks) -> None:
    expected = np.repeat([10.0, 40.0, 80.0], 100)
    said = fitted.predict(asked(expected)).reshape(3, 100, 13).mean(axis=1) - 30
    np.testing.assert_allclose(said[:, 6], [5, 20, 40], rtol=0.1, atol=1)
    np.testing.assert_allclose(said[:, 10] - said[:, 2], 2 * 1.2816 * 0.2 * np.array([10, 40, 80]), rtol=0.25, atol=2)


def test_quantiles_never_cross(fitted: QuantileNetworks) -> None:
    assert (np.diff(fitted.predict(asked(np.linspace(0, 200, 500))), axis=1) > 0).all()


def test_a_row_is_answered_the_same_bit_for_bit_whatever_is_asked_beside_it(fitted: QuantileNetworks) -> None:
    features = asked(np.linspace(0, 120, 5000))
    whole = fitted.predict(features)
    for rows in ([0], [4999], range(63), range(100, 165), np.random.default_rng(1).permutation(5000)[:777]):
        some = np.array(rows)
        part = Features(NAMES, features.matrix[some], features.level[some])
        np.testing.assert_array_equal(fitted.predict(part), whole[some])


def test_the_seed_alone_decides_not_the_threads() -> None:
    some = Lesson.of(examples(1500), 0.3)
    one, two, other = (
        QuantileNetworks.fit(some, 50, 2, threads, seed, lambda _: None).arrays()
        for threads, seed in ((1, 5), (2, 5), (1, 6))
    )
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["0/weight0"], other["0/weight0"])
    assert not np.array_equal(one["0/weight0"], one["1/weight0"])


def test_arrays_can_be_read_again(fitted: QuantileNetworks) -> None:
    again = QuantileNetworks.of_arrays(NAMES, fitted.arrays())
    features = asked(np.linspace(0, 120, 70))
    np.testing.assert_array_equal(again.predict(features), fitted.predict(features))


def test_no_rows_have_no_quantiles(fitted: QuantileNetworks) -> None:
    assert fitted.predict(asked(np.zeros(0))).shape == (0, 13)


# ---------------------------------------------------------------- the slopes


def lesson(rows: int, rng: np.random.Generator) -> Lesson:
    level = rng.uniform(0, 100, (rows, 1))
    rise = rng.normal(10, 20, (rows, 1)).clip(-level, 100 - level)
    parts = (rng.normal(size=(rows, 9)), rise, rng.uniform(0, 60, (rows, 1)), -level, 100 - level)
    return Lesson(NO_BINS, *(part.astype(np.float32) for part in parts), dropout=0.0)


def loss(outputs: np.ndarray, some: Lesson) -> float:
    """The mean quantile loss; a truth at the rim or the bottom says nothing against a quantile beyond it."""
    said = rises(outputs, some.expected)
    beyond = ((some.rise >= some.up) & (said > some.up)) | ((some.rise <= some.down) & (said < some.down))
    missed = np.where(beyond, 0, some.rise - said)
    return float(np.maximum(LEARNED * missed, (LEARNED - 1) * missed).mean())


def test_the_slopes_are_those_of_the_quantile_loss() -> None:
    rng = np.random.default_rng(3)
    some = lesson(40, rng)
    outputs = rng.normal(0, 0.7, (40, 26)).astype(np.float32)
    slopes = _loss_slopes(outputs, some, np.arange(40)).astype(float)
    for _ in range(20):
        along = rng.normal(size=outputs.shape)
        step = 1e-4 * along
        found = (loss(outputs + step, some) - loss(outputs - step, some)) / 2e-4
        assert found == pytest.approx((slopes * along).sum(), rel=0.03, abs=0.02)


def test_the_slopes_lead_back_through_all_layers() -> None:
    rng = np.random.default_rng(4)
    some = lesson(64, rng)
    network = Network.drawn(9, rng)
    gradients = _gradient(network, some, np.arange(64), rng)
    for parameter, gradient in zip([*network.weights, *network.biases], gradients, strict=True):
        along = rng.normal(size=parameter.shape).astype(np.float32)
        kept = parameter.copy()
        losses = []
        for step in (1e-3, -1e-3):
            parameter[:] = kept + np.float32(step) * along
            losses.append(loss(network.outputs(some.inputs), some))
        parameter[:] = kept
        found = (losses[0] - losses[1]) / 2e-3
        assert found == pytest.approx(float((gradient * along).sum()), rel=0.1, abs=0.05)
