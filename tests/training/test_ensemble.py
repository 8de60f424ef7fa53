from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from training.ensemble import Ensemble
from training.examples import Examples
from training.features import Features

SPREAD = np.linspace(-6, 6, 13)


@dataclass(frozen=True)
class Says:
    """A member that lies `off` points beside the truth, which is in the feature x."""

    off: float

    def predict(self, features: Features) -> np.ndarray:
        return features.level[:, None] + features.column("x")[:, None] + self.off + SPREAD


def examples(rows: int = 2000) -> Examples:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 30, rows)
    return Examples(
        features=Features(("x",), x[:, None], np.full(rows, 20.0)),
        rise=x + rng.normal(0, 3, rows),
        stream=np.full(rows, "mixed", dtype=object),
        horizon_h=np.full(rows, 6.0),
        as_of=np.arange(rows),
        bin_ids=np.array([f"b{k % 7}" for k in range(rows)], dtype=object),
        weather=np.zeros((rows, 2)),
    )


def ensemble(*off: float) -> Ensemble:
    return Ensemble(*(Says(o) for o in off))  # type: ignore[arg-type]  # stand-ins


@pytest.mark.parametrize(
    ("off", "weights"), [((0, 9, 9), (1, 0, 0)), ((9, 9, 0), (0, 0, 1)), ((-5, 5, 40), (0.5, 0.5, 0))]
)
def test_members_are_believed_as_far_as_they_were_right(off: tuple[float, ...], weights: tuple[float, ...]) -> None:
    weighed = ensemble(*off).weighed(examples(), np.random.default_rng(1))
    np.testing.assert_allclose(weighed.weights, weights, atol=0.101)
    assert sum(weighed.weights) == pytest.approx(1)


def test_quantiles_are_the_weighted_mean() -> None:
    features = examples(5).features
    made = Ensemble(Says(0), Says(10), Says(20), (0.2, 0.3, 0.5))  # type: ignore[arg-type]
    np.testing.assert_allclose(made.predict(features), Says(13).predict(features))


def test_without_weeks_held_back_the_weights_stay() -> None:
    nothing = examples(10).take(np.zeros(0, dtype=int))
    made = ensemble(0, 1, 2)
    assert made.weighed(nothing, np.random.default_rng(1)).weights == made.weights
