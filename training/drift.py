"""Whether bins changed their habits: two spans of the same bins, told apart by signs drawn for whole bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.habits import Habits

LEAST_SHARE = 1e-3  # an empty band of levels would make the index infinite


@dataclass(frozen=True)
class Change:
    """A habit before and now (means over bins), how far apart, and the chance of as much among spans that are alike.

    size: of silence the difference, of rates the relative change, of levels the population stability index; bins: in
    how many both spans tell of it; NaN where there are none.
    """

    habit: str
    before: float
    now: float
    size: float
    chance: float
    bins: int


def changes(before: Habits, now: Habits, draws: int, rng: np.random.Generator) -> tuple[Change, ...]:
    """The changes of silence, reading rate, emptying rate and levels, of the bins that both spans know.

    Chances come from exchanging the two spans of whole bins at random (a paired permutation test): what hangs together
    within a bin stays together, so that many readings of one bin are not taken for much evidence.
    """
    both = before.table.index.intersection(now.table.index)
    before, now = before.of_bins(both), now.of_bins(both)
    found = []
    for habit in ("silent", "reading_rate", "emptying_rate"):
        old, new = before.table[habit].to_numpy(float), now.table[habit].to_numpy(float)
        usable = ~np.isnan(old + new)
        old, new = old[usable], new[usable]
        was, is_ = (float(side.mean()) if len(side) else np.nan for side in (old, new))
        chance = _chance_of_mean(new - old, draws, rng)
        size = is_ - was if habit == "silent" else (is_ / was - 1 if was > 0 else np.nan)
        found.append(Change(habit, was, is_, size, chance, len(old)))
    usable = (before.levels.sum(axis=1) > 0) & (now.levels.sum(axis=1) > 0)
    found.append(_levels(before.levels[usable], now.levels[usable], draws, rng))
    return tuple(found)


def stability_index(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """(…) population stability index of shares (…, k): sum of (now - before) ln(now / before)."""
    old, new = np.maximum(before, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return ((new - old) * np.log(new / old)).sum(axis=-1)


def _levels(old: np.ndarray, new: np.ndarray, draws: int, rng: np.random.Generator) -> Change:
    if not len(old):
        return Change("levels", np.nan, np.nan, np.nan, np.nan, 0)
    size = float(stability_index(old.mean(axis=0), new.mean(axis=0)))
    swapped = rng.random((draws, len(old))) < 0.5
    middle, half = (old + new).mean(axis=0) / 2, (new - old) / 2
    shift = np.where(swapped, -1.0, 1.0) @ half / len(old)
    drawn = stability_index(middle - shift, middle + shift)
    centre = np.array([10.0, 30.0, 50.0, 70.0, 90.0])
    return Change(
        "levels", float(old.mean(axis=0) @ centre), float(new.mean(axis=0) @ centre), size,
        float((1 + (drawn >= size - 1e-12).sum()) / (1 + draws)), len(old),
    )  # fmt: skip


def _chance_of_mean(difference: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    if not len(difference):
        return float("nan")
    signs = np.where(rng.random((draws, len(difference))) < 0.5, -1.0, 1.0)
    drawn = np.abs(signs @ difference)
    return float((1 + (drawn >= abs(difference.sum()) - 1e-9).sum()) / (1 + draws))
