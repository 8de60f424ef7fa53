"""How often bins were left alone, and so how far boosters know what happens to a bin if nobody comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.examples import Examples
from training.grid import NEAR_H
from training.labels import TOLERANCE_H

PRIOR_WINDOWS = 20.0
EVEN_SHARE = 0.5


@dataclass(frozen=True)
class LeftAlone:
    """Share of windows that no emptying cut, by bin and horizon: whose end could be learned from.

    Bins that are emptied before they are full leave a selected sample of windows: those in which little came. Where
    few were left alone, what boosters learned from them is not what happens if nobody comes, and the bin's own rates
    are the better answer. (Emptyings censor what is thrown in, as deaths by other causes do in survival analysis.)

    share (b + 1, 16): of each bin in the profiles' order, at NEAR_H; the last row for bins that nobody knows
    """

    share: np.ndarray

    @classmethod
    def learn(cls, examples: Examples, bin_ids: np.ndarray) -> LeftAlone:
        """From all examples of the moments asked; bins are drawn toward all together by PRIOR_WINDOWS moments."""
        key = pd.DataFrame({"bin": pd.Index(bin_ids).get_indexer(pd.Index(examples.bin_ids)), "as_of": examples.as_of})
        furthest = examples.horizon_h + TOLERANCE_H
        asked = key.assign(furthest=furthest).groupby(["bin", "as_of"], as_index=False)["furthest"].max()
        reach = np.searchsorted(NEAR_H, asked["furthest"].to_numpy(), side="right") - 1
        ended = np.zeros((len(bin_ids), len(NEAR_H)))
        np.add.at(ended, (asked["bin"].to_numpy(), reach), 1)
        reached = ended[:, ::-1].cumsum(axis=1)[:, ::-1]
        everyone = reached.sum(axis=0) / max(len(asked), 1)
        own = (reached + PRIOR_WINDOWS * everyone) / (reached[:, :1] + PRIOR_WINDOWS)
        return cls(np.vstack([own, everyone]).round(4))  # few digits, kept as they are in model.json

    def belief(self, code: np.ndarray) -> np.ndarray:
        """(n, 16) how far boosters are believed of bins `code` (n,), -1 for unknown, if nobody comes: 0 to 1.

        By the square of the share, half at EVEN_SHARE.
        """
        odds = (self.share[code] / EVEN_SHARE) ** 2
        return np.asarray(odds / (1 + odds))

    def to_json(self) -> list[list[float]]:
        """As plain values, for model.json."""
        values: list[list[float]] = self.share.tolist()
        return values

    @classmethod
    def from_json(cls, values: Any) -> LeftAlone:
        """From the values of `to_json`."""
        return cls(np.array(values, dtype=float))
