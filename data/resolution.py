"""How finely a sensor speaks: some tell only every fifth of a bin, and what they will say next are such steps too."""

from __future__ import annotations

import numpy as np

from data.sequences import MILLI, Sequences

STEPS_PCT = (25.0, 20.0, 12.5, 10.0, 5.0, 4.0, 2.5, 2.0)
STRAY_SHARE = 0.01
CHANCE = 1e-3


def resolution(sequences: Sequences) -> np.ndarray:
    """(m,) percent: the largest of STEPS_PCT of which all but a hundredth of the readings are whole multiples.

    0 where none is, or where it may be chance: of readings that changed and are neither 0 nor 100, one in `step` would
    be a multiple if the sensor told whole percents.
    """
    s = sequences
    count = s.offsets[1:] - s.offsets[:-1]
    telling = (s.fill != s.lag(s.fill, 1, 0)) & (s.fill > 0) & (s.fill < 100 * MILLI)
    changes = np.bincount(s.seq[telling], minlength=len(s))
    found = np.zeros(len(s))
    for step in sorted(STEPS_PCT):
        strays = np.bincount(s.seq[s.fill % int(step * MILLI) != 0], minlength=len(s))
        sure = changes * np.log(step) >= -np.log(CHANCE)
        found = np.where(sure & (strays <= STRAY_SHARE * count), step, found)
    return found
