"""The level now: what lies in a bin, told from its latest readings and from what is thrown in between them."""

from __future__ import annotations

import numpy as np

from data.sequences import MILLI, Sequences
from data.spikes import SPIKE_PCT
from training.profiles import NANO

READINGS = 24
LUMP_PCT, MOOD = 2.0, 0.1
BULKY_SHARE, BULKY_PCT = 0.1, 12.0
SHIFT_CHANCE, SHIFT_PCT = 0.003, 15.0
USUAL_VARIANCE, USUAL_WEIGHT = 4.0, 20.0
LEAST_VARIANCE = 0.05


def noise_variance(s: Sequences, breaks: np.ndarray, expected: np.ndarray, step_pct: np.ndarray) -> np.ndarray:
    """(m,) variance of the sensors' noise, points squared, drawn toward USUAL_VARIANCE by 20 steps.

    Noise that is anew in each reading makes what rises too far fall back: the covariance of successive steps is minus
    its variance, whatever is thrown in (Roll 1984, of the bid-ask spread). Steps count against the rise `expected`
    (n,), nano-percent since a common moment, and up to SPIKE_PCT; a level told in steps of `step_pct` (m,) is off by
    a twelfth of their square. `breaks` (n,) bool: readings that do not go on from the one before.
    """
    rise = (s.fill - s.lag(s.fill, 1, 0)) / MILLI - (expected - s.lag(expected, 1, 0)) / NANO
    rise = np.clip(rise, -SPIKE_PCT, SPIKE_PCT)
    paired = ~breaks & ~s.lag(breaks, 1, True)
    product = np.where(paired, rise * s.lag(rise, 1, 0.0), 0.0)
    count = len(s.offsets) - 1
    pairs = np.bincount(s.seq, weights=paired, minlength=count)
    covariance = np.bincount(s.seq, weights=product, minlength=count)
    found = (USUAL_WEIGHT * USUAL_VARIANCE - covariance) / (USUAL_WEIGHT + pairs)
    return np.maximum(found, LEAST_VARIANCE) + step_pct**2 / 12


def filtered(
    s: Sequences, begin: np.ndarray, end: np.ndarray, expected: np.ndarray, pace: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (m,), percent, of the level at readings `end` (m,), by those since `begin` (m,).

    A Kalman filter over the last 24 readings with three things that may have happened between two of them: bags, whose
    number varies; something bulky; or a sensor that sees all anew. Each is updated by the reading, weighed by its
    likelihood, and the mixture drawn together to one normal (a switching filter: Bar-Shalom et al. 2001, the
    generalised pseudo-Bayesian of first order). expected (n,): nano-percent since a common moment; pace (m,): what it
    is multiplied with; noise (m,): variance of a reading.
    """
    first = np.maximum(begin, end - READINGS + 1)
    mean, variance = s.fill[first] / MILLI, noise.copy()
    share = np.array([0.0, BULKY_PCT, 0.0])[:, None]
    spread = np.array([0.0, BULKY_PCT, SHIFT_PCT])[:, None] ** 2
    for back in range(READINGS - 2, -1, -1):  # the oldest first
        at = np.maximum(end - back, first)
        fresh = at > first
        hope = np.where(fresh, (expected[at] - expected[np.maximum(at - 1, 0)]) / NANO * pace, 0.0)
        bags = (1 - BULKY_SHARE) * hope
        bulky = -np.expm1(-BULKY_SHARE * hope / BULKY_PCT)
        chance = np.stack([1 - bulky - SHIFT_CHANCE, bulky, np.full_like(bulky, SHIFT_CHANCE)])
        level = mean + bags + share
        wide = variance + LUMP_PCT * bags + MOOD * bags**2 + spread
        seen = wide + noise
        off = s.fill[at] / MILLI - level
        score = np.log(np.maximum(chance, 1e-9)) - (off**2 / seen + np.log(seen)) / 2
        weight = np.exp(score - score.max(axis=0))
        weight /= weight.sum(axis=0)
        told = level + wide / seen * off
        drawn = (weight * told).sum(axis=0)
        left = (weight * (wide * noise / seen + (told - drawn) ** 2)).sum(axis=0)
        mean, variance = np.where(fresh, drawn, mean), np.where(fresh, left, variance)
    return mean.clip(0, 100), np.sqrt(variance)
