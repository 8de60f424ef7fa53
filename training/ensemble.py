from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from data.sequences import HOUR_US
from training.analogs import Analogs
from training.backpropagation import BATCH, Lesson
from training.boosters import ThresholdBoosters
from training.examples import Examples
from training.features import Features
from training.grid import LEARNED, pooled
from training.networks import QuantileNetworks
from training.settings import ModelSettings

BRIEF_STEPS = 120
PARTS = 10
EVEN = (0.4, 0.4, 0.0, 0.2)
SAME = 0.002
PRIOR_WEEKS = 20.0  # of a bin each
FEW_ANALOGS = 10.0
# The share of the distribution for which each learned quantile stands.
MASSES = np.diff(np.concatenate([[0.0], (LEARNED[1:] + LEARNED[:-1]) / 2, [1.0]]))


@dataclass(frozen=True)
class Ensemble:
    """Boosters, networks, networks taught but briefly, and analogs; their distributions are pooled by `weights`.

    All know the same and err differently: boosters find thresholds, networks proportions; the brief ones have hardly
    left where they began, at the profile and the pace, and are right where there is little to learn from or the
    profile tells all; analogs know what this very bin did at this hour. Where they disagree, either may be right, so
    probabilities are averaged (a linear pool, Stone 1961), not quantiles: halfway between two bins of which one leaps
    to the rim lies no bin. How far to believe each is learned for each stream from weeks held back (stacking, Wolpert
    1992). Analogs are filled up with what the boosters say where they are few.

    weights (s + 1, 4): for each stream, in the order of their codes, then for unknown ones; each row is 1 in all
    """

    boosters: ThresholdBoosters
    networks: QuantileNetworks
    brief: QuantileNetworks
    analogs: Analogs
    weights: np.ndarray

    @classmethod
    def fit(
        cls, examples: Examples, analogs: Analogs, settings: ModelSettings, weights: np.ndarray,
        progress: Callable[[str], None],
    ) -> Ensemble:  # fmt: skip
        """Fit boosters and networks; the result depends on the examples and the settings but for their threads."""
        how = settings.networks, settings.threads, settings.seed, progress
        boosters = ThresholdBoosters.fit(
            examples, settings.booster_parameters, settings.trees, settings.threads, settings.seed, progress
        )
        lesson = Lesson.of(examples, settings.dropout)
        steps = max(settings.fewest_steps, settings.epochs * (len(examples.rise) // BATCH))
        networks, brief = (QuantileNetworks.fit(lesson, many, *how) for many in (steps, min(steps, BRIEF_STEPS)))
        return cls(boosters, networks, brief, analogs, weights)

    def weighed(self, late: Examples) -> tuple[Ensemble, np.ndarray]:
        """With the weights that do best on `late` examples (k,), and what it then tells of them, (k, 13) percent.

        Weights in tenths, by the least CRPS, every bin the same.

        The CRPS of a linear pool is quadratic in its weights: the members' mean distance from the truth, less half of
        that from each other. A stream's is drawn toward that of all by PRIOR_WEEKS weeks of a bin. Of weights that do
        as well within SAME those nearest to EVEN count: the first fit's weeks are not the final one's.
        """
        if not len(late.rise):
            return self, np.zeros((0, len(LEARNED)))
        truth = np.clip(late.rise + late.features.level, 0, 100)
        members = self._members(late.features, np.ones((len(truth), len(EVEN)), dtype=bool))
        away = [np.abs(told - truth[:, None]) @ MASSES for told in members]
        pairs = combinations_with_replacement(range(len(EVEN)), 2)
        apart = {(a, b): _apart(members[a], members[b]) for a, b in pairs}
        # Analogs are never all, since they are not always asked.
        choices = np.ndindex(*[PARTS + 1] * (len(EVEN) - 1), PARTS)
        tenths = np.array([parts for parts in choices if sum(parts) == PARTS]) / PARTS

        def losses(rows: np.ndarray) -> np.ndarray:
            """Of each choice of weights, over the mean of all, in these rows."""
            of_bin = np.unique(late.bin_ids[rows].astype(str), return_inverse=True)[1]
            share = 1 / np.bincount(of_bin)[of_bin]
            share /= share.sum()
            loss = tenths @ [share @ told[rows] for told in away]
            for (a, b), distance in apart.items():
                loss -= (0.5 if a == b else 1.0) * tenths[:, a] * tenths[:, b] * (share @ distance[rows])
            return np.asarray(loss / max(loss.mean(), 1e-9))

        everyone = losses(np.arange(len(truth)))
        stream = _streams(late.features)
        weights = []
        for code in range(len(self.weights) - 1):
            rows = np.flatnonzero(stream == code)
            loss = everyone
            if len(rows):
                week = late.as_of[rows] // (7 * 24 * HOUR_US)
                weeks = len(pd.DataFrame({"bin": late.bin_ids[rows], "week": week}).drop_duplicates())
                loss = (weeks * losses(rows) + PRIOR_WEEKS * everyone) / (weeks + PRIOR_WEEKS)
            weights.append(_choice(tenths, loss))
        found = replace(self, weights=np.array([*weights, _choice(tenths, everyone)]))
        return found, pooled(members, found.weights[stream])

    def predict(self, features: Features, *, as_usual: bool = True) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features, rising.

        Without `as_usual` analogs are not asked: what came of their moments came with the rounds that were usual.
        """
        weights = self.weights[_streams(features)]
        if not as_usual:
            weights[:, -1] = 0  # of a copy
            weights /= weights.sum(axis=1, keepdims=True)
        return pooled(self._members(features, weights > 0), weights)

    def _members(self, features: Features, asked: np.ndarray) -> list[np.ndarray]:
        """Four times (k, 13) rising quantiles within 0-100; each member is asked the rows `asked` (k, 4) of it."""
        boosters = np.zeros((len(features.matrix), len(LEARNED)))
        needed = asked[:, 0] | asked[:, 3]
        boosters[needed] = self.boosters.predict(features.take(np.flatnonzero(needed)))
        members = [boosters]
        for k, networks in ((1, self.networks), (2, self.brief)):
            told = np.zeros_like(boosters)
            rows = np.flatnonzero(asked[:, k])
            told[rows] = np.sort(np.clip(networks.predict(features.take(rows)), 0, 100), axis=1)
            members.append(told)
        told = boosters.copy()
        rows = np.flatnonzero(asked[:, 3])
        analogs, count = self.analogs.predict(features.take(rows))
        share = count / (count + FEW_ANALOGS)
        told[rows] = pooled([boosters[rows], analogs], np.column_stack([1 - share, share]))
        return [*members, told]


def even(streams: int) -> np.ndarray:
    """(streams + 1, 4) weights as they are before anything speaks for others."""
    return np.tile(EVEN, (streams + 1, 1))


def _streams(features: Features) -> np.ndarray:
    """(k,) code of each row's stream, -1 for unknown."""
    return np.nan_to_num(features.column("stream"), nan=-1).astype(int)


def _apart(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(k,) mean distance of two that are drawn from the distributions with quantiles `some` and `others` (k, 13)."""
    total = np.zeros(len(some))
    for column, mass in zip(some.T, MASSES, strict=True):
        total += mass * (np.abs(others - column[:, None]) @ MASSES)
    return total


def _choice(tenths: np.ndarray, loss: np.ndarray) -> np.ndarray:
    good = tenths[loss <= loss.min() + SAME * np.abs(loss.min())]
    return np.asarray(good[np.argmin(((good - EVEN) ** 2).sum(axis=1))])
