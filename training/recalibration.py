"""What weeks held back teach about forecasts: quantiles are set right by it, and how often bins are full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.sequences import HOUR_US
from training.calibration import KEPT, Calibration, below_quantiles, horizons, outside_intervals, widths
from training.examples import Examples
from training.grid import LEARNED, Q10, Q90
from training.reliability import Reliability

BELIEVED = 0.5  # of what is learned by horizon: the first fit knew half the weeks, and errs by more than the final one
CURVES = ("calibration", "intervals")


@dataclass(frozen=True)
class Recalibration:
    """Three corrections, each learned of what the one before it left.

    calibration  by horizon: where the level lies
    intervals    by width: where intervals of 80% and more end, so that they hold what they say of whole percents
    reliability  how often bins are full
    """

    calibration: Calibration
    intervals: Calibration
    reliability: Reliability

    @classmethod
    def identity(cls) -> Recalibration:
        """Change nothing: there was no week to hold back."""
        return cls(Calibration.identity(), Calibration.identity(), Reliability.identity())

    @classmethod
    def learn(cls, quantiles: np.ndarray, late: Examples) -> Recalibration:
        """From what was told, `quantiles` (k, 13) rising within 0-100, of k examples that were held back."""
        if not len(late.rise):
            return cls.identity()
        truth = late.rise + late.features.level
        whose = late.bin_ids, late.as_of
        ahead = horizons(late.horizon_h)
        calibration = Calibration.learn(below_quantiles(truth, quantiles), late.stream, ahead, *whose)
        calibration = calibration.softened(BELIEVED)
        told = calibration.apply(quantiles, late.stream, ahead)
        width = widths(told, late.in_steps | (late.features.column("bin") < 0))
        said = np.where(width[:, None] == KEPT, LEARNED, outside_intervals(truth, told))
        weeks = len(np.unique(late.as_of // (7 * 24 * HOUR_US)))
        intervals = Calibration.learn(said, late.stream, width, *whose).widened(weeks)
        told = _ended(told, intervals, late.stream, width)
        reliability = Reliability.learn(truth, told, late.stream, late.horizon_h, *whose).softened(BELIEVED)
        return cls(calibration, intervals, reliability)

    def apply(self, quantiles: np.ndarray, stream: np.ndarray, horizon_h: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """(k, 13) set right, rising and within 0-100, of `quantiles` (k, 13) with each row's stream and horizon.

        Rows `kept` (k,) keep their intervals: see `widths`.
        """
        told = self.calibration.apply(quantiles, stream, horizons(horizon_h))
        told = _ended(told, self.intervals, stream, widths(told, kept))
        return self.reliability.apply(told, stream, horizon_h)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {name: getattr(self, name).to_json() for name in (*CURVES, "reliability")}

    @classmethod
    def from_json(cls, parts: Mapping[str, Any]) -> Recalibration:
        """From the values of `to_json`."""
        curves = {name: Calibration.from_json(parts[name]) for name in CURVES}
        return cls(**curves, reliability=Reliability.from_json(parts["reliability"]))


def _ended(told: np.ndarray, intervals: Calibration, stream: np.ndarray, width: np.ndarray) -> np.ndarray:
    """(k, 13) from 10% down and from 90% up as `intervals` say, and in between as `told`, but nothing beyond these."""
    ends = intervals.apply(told, stream, width)
    inner = np.clip(told, ends[:, Q10 : Q10 + 1], ends[:, Q90 : Q90 + 1])
    place = np.arange(len(LEARNED))
    return np.where((place > Q10) & (place < Q90), inner, ends)
