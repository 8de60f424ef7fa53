from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.backpropagation import BATCH, Lesson
from training.boosters import QuantileBoosters
from training.examples import Examples
from training.features import Features
from training.grid import LEARNED
from training.networks import QuantileNetworks
from training.settings import ModelSettings

FEWEST_STEPS = 200
BRIEF_STEPS = 120
PARTS = 10
EVEN = (0.5, 0.5, 0.0)
MOST = 60_000
SAME = 0.002


@dataclass(frozen=True)
class Ensemble:
    """Boosters, networks, and networks taught but briefly; their quantiles are averaged by `weights`, 1 in all.

    Averaging quantiles keeps them sharp (Lichtendahl et al. 2013). All learn the same examples and err differently:
    boosters find thresholds, networks proportions; the brief ones have hardly left where they began, at the profile
    and the pace, and are right where there is little to learn from or the profile tells all. How far to believe each
    is learned from weeks held back (stacking, Wolpert 1992).
    """

    boosters: QuantileBoosters
    networks: QuantileNetworks
    brief: QuantileNetworks
    weights: tuple[float, ...] = EVEN

    @classmethod
    def fit(
        cls, examples: Examples, settings: ModelSettings, weights: Sequence[float], progress: Callable[[str], None]
    ) -> Ensemble:
        """Fit all three; the result depends on the examples and the settings but for their threads."""
        how = settings.networks, settings.threads, settings.seed, progress
        boosters = QuantileBoosters.fit(
            examples, settings.booster_parameters, settings.trees, settings.threads, settings.seed, progress
        )
        lesson = Lesson.of(examples, settings.dropout)
        steps = max(FEWEST_STEPS, settings.epochs * (len(examples.rise) // BATCH))
        networks = QuantileNetworks.fit(lesson, steps, *how)
        return cls(boosters, networks, QuantileNetworks.fit(lesson, BRIEF_STEPS, *how), tuple(weights))

    def weighed(self, late: Examples, rng: np.random.Generator) -> Ensemble:
        """With the weights, in tenths, that do best on `late` examples: the least quantile loss, every bin the same.

        Of those that do as well within SAME the ones nearest to even: the first fit's weeks are not the final one's.
        """
        some = late.sample(MOST, rng)
        if not len(some.rise):
            return self
        level = some.features.level[:, None]
        truth = np.clip(some.rise[:, None] + level, 0, 100)
        of_bin, bins = np.unique(some.bin_ids.astype(str), return_inverse=True)
        members = [member.predict(some.features) for member in self._members]

        def loss(weights: tuple[float, ...]) -> float:
            missed = truth - np.clip(_mean(members, weights), 0, 100)
            each = np.maximum(LEARNED * missed, (LEARNED - 1) * missed).mean(axis=1)
            return float((np.bincount(bins, each, len(of_bin)) / np.bincount(bins)).mean())

        tenths = [(a, b, PARTS - a - b) for a in range(PARTS + 1) for b in range(PARTS + 1 - a)]
        choices = [tuple(part / PARTS for part in parts) for parts in tenths]
        losses = np.array([loss(weights) for weights in choices])
        good = np.flatnonzero(losses <= losses.min() * (1 + SAME))
        far = ((np.array(choices)[good] - EVEN) ** 2).sum(axis=1)
        return replace(self, weights=choices[good[np.argmin(far)]])

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features, not sorted."""
        used = [(member, share) for member, share in zip(self._members, self.weights, strict=True) if share > 0]
        return _mean([member.predict(features) for member, _ in used], [share for _, share in used])

    @property
    def _members(self) -> tuple[QuantileBoosters | QuantileNetworks, ...]:
        return self.boosters, self.networks, self.brief


def _mean(quantiles: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    total = quantiles[0] * weights[0]
    for some, share in zip(quantiles[1:], weights[1:], strict=True):
        total = total + some * share
    return total
