from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.boosters import QuantileBoosters
from training.examples import Examples
from training.features import Features
from training.networks import QuantileNetworks
from training.settings import ModelSettings


@dataclass(frozen=True)
class Ensemble:
    """Boosters and networks, whose quantiles are averaged, which keeps them sharp (Lichtendahl et al. 2013).

    Both learn the same examples and err differently: boosters find thresholds, networks proportions.
    """

    boosters: QuantileBoosters
    networks: QuantileNetworks

    @classmethod
    def fit(cls, examples: Examples, settings: ModelSettings, progress: Callable[[str], None]) -> Ensemble:
        """Fit both; the result depends on the examples and the settings but for their threads."""
        return cls(
            QuantileBoosters.fit(
                examples, settings.booster_parameters, settings.trees, settings.threads, settings.seed, progress
            ),
            QuantileNetworks.fit(examples, settings.networks, settings.threads, settings.seed, progress),
        )

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features, not sorted."""
        return (self.boosters.predict(features) + self.networks.predict(features)) / 2
