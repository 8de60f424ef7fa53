from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from training.ensemble import Ensemble, even
from training.examples import Examples
from training.features import Features

SPREAD = np.linspace(-6, 6, 13)
NAMES = ("x", "stream")


@dataclass(frozen=True)
class Says:
    """A member that lies `off` points beside the truth, which is in the feature x."""

    off: float

    def predict(self, features: Features) -> np.ndarray:
        return features.level[:, None] + features.column("x")[:, None] + self.off + SPREAD


@dataclass(frozen=True)
class Remembers(Says):
    """Likewise, of `count` analogs."""

    count: float = 1e9

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]  # as analogs
        return super().predict(features), np.full(len(features.matrix), self.count)


def examples(rows: int = 2000, streams: int = 1) -> Examples:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 30, rows)
    code = np.arange(rows) % streams
    return Examples(
        features=Features(NAMES, np.column_stack([x, code]), np.full(rows, 20.0)),
        rise=x + rng.normal(0, 3, rows),
        stream=code.astype(object),
        horizon_h=np.full(rows, 6.0),
        as_of=np.arange(rows) * 3_600_000_000,
        bin_ids=np.array([f"b{k % 7}-{k % streams}" for k in range(rows)], dtype=object),
        weather=np.zeros((rows, 2)),
        in_steps=np.zeros(rows, dtype=bool),
    )


def ensemble(*off: float, streams: int = 1, count: float = 1e9) -> Ensemble:
    stand_ins = (*(Says(o) for o in off[:3]), Remembers(off[3], count))
    return Ensemble(*stand_ins, even(streams))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off", "weights"),
    [
        ((0, 9, 9, 9), (1, 0, 0, 0)),
        ((9, 9, 0, 9), (0, 0, 1, 0)),
        ((9, 9, 9, 0), (0, 0, 0, 1)),
        ((-3, 3, 40, 40), (0.5, 0.5, 0, 0)),
    ],
)
def test_members_are_believed_as_far_as_they_were_right(off: tuple[float, ...], weights: tuple[float, ...]) -> None:
    weighed, told = ensemble(*off).weighed(examples())
    np.testing.assert_allclose(weighed.weights, [weights, weights], atol=0.101)
    np.testing.assert_allclose(weighed.weights.sum(axis=1), 1)
    np.testing.assert_array_equal(told, weighed.predict(examples().features))


def test_each_stream_has_weights_of_its_own() -> None:
    some = examples(6000, streams=2)
    late = replace(some, rise=some.rise + np.where(some.features.column("stream") == 1, 12.0, 0.0))
    weighed = ensemble(0, 12, 40, 40, streams=2).weighed(late)[0].weights
    assert weighed[0][0] > 0.8
    assert weighed[1][1] > 0.8
    assert 0.2 < weighed[2][0] < 0.8  # a stream that nobody knows is told by both


def test_a_stream_of_few_weeks_is_drawn_toward_all() -> None:
    some = examples(6000, streams=2)
    code = some.features.column("stream")
    late = replace(some, rise=some.rise + np.where(code == 1, 12.0, 0.0))
    few = late.take(np.flatnonzero((code == 0) | (np.arange(6000) < 40)))
    weighed = ensemble(0, 12, 40, 40, streams=2).weighed(few)[0].weights
    assert weighed[1][0] > 0.1


def test_probabilities_are_averaged_not_quantiles() -> None:
    features = examples(5).features
    made = replace(ensemble(0, 60, 0, 0), weights=np.array([[0.5, 0.5, 0, 0]] * 2))
    low, high = (np.clip(Says(off).predict(features), 0, 100) for off in (0, 60))
    told = made.predict(features)
    assert (told[:, 5] <= low[:, -1] + 1).all()  # two in five lie about the lower
    assert (told[:, 7] >= high[:, 0] - 1).all()
    assert (np.diff(told, axis=1) >= 0).all()


def test_one_member_alone_is_told_as_it_is() -> None:
    features = examples(5).features
    made = replace(ensemble(0, 10, 20, 30), weights=np.array([[0, 0, 1.0, 0]] * 2))
    np.testing.assert_allclose(made.predict(features), np.clip(Says(20).predict(features), 0, 100), atol=1e-6)


def test_where_analogs_are_few_boosters_speak() -> None:
    features = examples(5).features
    made = replace(ensemble(0, 10, 20, 30, count=0), weights=np.array([[0, 0, 0, 1.0]] * 2))
    np.testing.assert_allclose(made.predict(features), np.clip(Says(0).predict(features), 0, 100), atol=1e-6)


def test_as_if_no_round_came_analogs_are_not_asked() -> None:
    features = examples(5).features
    made = replace(ensemble(0, 10, 20, 40), weights=np.array([[0, 0.5, 0, 0.5]] * 2))
    told = made.predict(features, as_usual=False)
    np.testing.assert_allclose(told, np.clip(Says(10).predict(features), 0, 100), atol=1e-6)


def test_a_row_does_not_hang_on_the_others() -> None:
    some = examples(50, streams=2).features
    made = replace(ensemble(0, 5, 9, 14, streams=2), weights=np.array([[0.2, 0.3, 0, 0.5], [0.1, 0.1, 0.8, 0]] * 2)[:3])
    whole = made.predict(some)
    np.testing.assert_array_equal(whole[7:9], made.predict(some.take(np.array([7, 8]))))


def test_without_weeks_held_back_the_weights_stay() -> None:
    nothing = examples(10).take(np.zeros(0, dtype=int))
    made = ensemble(0, 1, 2, 3)
    np.testing.assert_array_equal(made.weighed(nothing)[0].weights, made.weights)
