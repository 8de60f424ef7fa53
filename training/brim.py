"""From which level on bins are told full: sensors leap to the rim from some points below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.sequences import HOUR_US
from data.tables import FULL_PCT
from training.lookup import Names, places

BRIMS_PCT = np.arange(85.0, FULL_PCT + 0.25, 0.5)
BRIM_H = 12.0, 24.0  # how far ahead lie the windows that it is learned of
TELLING = 0.05  # who is told full with less, from the lowest brim on, tells nothing of where it lies
PRIOR_WEEKS = 20.0  # of a bin each
SAME = 0.002


@dataclass(frozen=True)
class Brim:
    """The level by a bin's own rates from which on its sensor tells that it is full, by stream.

    No reading is above 100, so what is thrown into a nearly full bin hardly shows, and own rates take the bin for slow
    there; the sensor, meanwhile, leaps to the rim. So a bin is told full by its own rates from a level on that may lie
    below FULL_PCT: the one of BRIMS_PCT by which the risks told of windows left alone come true best.

    streams (s,) names; pct (s + 1,) percent, the first for any other stream
    """

    streams: tuple[str, ...]
    pct: np.ndarray

    @classmethod
    def none(cls) -> Brim:
        """Bins are full from FULL_PCT on."""
        return cls((), np.array([FULL_PCT]))

    @classmethod
    def learn(cls, told: np.ndarray, full: np.ndarray, stream: Names, bins: Names, as_of: np.ndarray) -> Brim:
        """From windows (k,) with the probability `told` (k, 21) of reaching each of BRIMS_PCT, and whether it was full.

        By the least Brier score, every bin the same; a stream's is drawn toward that of all by PRIOR_WEEKS weeks of a
        bin. Of brims that do as well within SAME the highest counts. `as_of` (k,) microseconds.
        """
        some = np.flatnonzero(full | (told[:, 0] >= TELLING))
        rows = pd.DataFrame({"stream": stream[some], "bin": bins[some], "week": as_of[some] // (7 * 24 * HOUR_US)})
        missed = (told[some] - full[some, None]) ** 2 / rows.groupby("bin")["bin"].transform("size").to_numpy()[:, None]

        def losses(part: np.ndarray) -> np.ndarray:
            """Of each brim, over that of FULL_PCT, in these rows."""
            loss = missed[part].sum(axis=0)
            return np.asarray((loss + 1e-9) / (loss[-1] + 1e-9))

        everyone = losses(np.arange(len(rows)))
        names = sorted(rows["stream"].unique())
        of_streams = []
        for name in names:
            mine = np.flatnonzero(rows["stream"] == name)
            weeks = len(rows.iloc[mine].drop_duplicates(["bin", "week"]))
            of_streams.append((weeks * losses(mine) + PRIOR_WEEKS * everyone) / (weeks + PRIOR_WEEKS))
        best = [BRIMS_PCT[np.flatnonzero(loss <= loss.min() + SAME)[-1]] for loss in (everyone, *of_streams)]
        return cls(tuple(str(name) for name in names), np.array(best))

    def at(self, stream: Names) -> np.ndarray:
        """(n,) percent: the brim of each `stream` (n,)."""
        return np.asarray(self.pct[places(stream, pd.Index(self.streams, dtype=object)) + 1])

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {"streams": list(self.streams), "pct": self.pct.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Brim:
        """From the values of `to_json`."""
        return cls(tuple(str(name) for name in values["streams"]), np.array(values["pct"], dtype=float))
