"""Scores by slice and horizon with the intervals that say how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.scores import KEY

DRAWS, CHUNK = 400, 20
LEAST_BLOCKS = 5  # fewer say nothing of how sure a number is
CONFIDENCE = 0.95
MEASURES = ("crps", "brier", "cover80", "cover50", "bias", "width80")


@dataclass(frozen=True)
class Blocks:
    """Rows cut into blocks of one bin and one week, which are drawn together.

    block (n,) each row's; order, starts: the blocks of a bin, side by side; horizon (n,) index into horizons (h,).
    """

    block: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    horizon: np.ndarray
    horizons: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Blocks:
        """From rows of bin_id, as_of and horizon_h."""
        week = ((rows["as_of"] - rows["as_of"].min()) // pd.Timedelta(days=7)).to_numpy().astype(np.int64)
        owner, names = pd.factorize(rows["bin_id"])
        horizon, horizons = pd.factorize(rows["horizon_h"], sort=True)
        weeks = int(week.max(initial=0)) + 1
        block, pairs = pd.factorize(owner.astype(np.int64) * weeks + week)
        pair_owner = np.asarray(pairs) // weeks
        order = np.argsort(pair_owner, kind="stable")
        starts = np.searchsorted(pair_owner[order], np.arange(len(names)))
        return cls(block, order, starts, horizon, np.asarray(horizons, dtype=float))

    def __len__(self) -> int:
        return len(self.order)

    def sums(self, values: np.ndarray, cell: np.ndarray, cells: int) -> np.ndarray:
        """(blocks, cells, k + 1) sums of values (n, k), and the count, of each block's rows by `cell` (n,)."""
        place = self.block * cells + cell
        columns = [*values.T, np.ones(len(place))]
        totals = [np.bincount(place, weights=column, minlength=len(self) * cells) for column in columns]
        return np.stack(totals, axis=-1).reshape(len(self), cells, len(columns))

    def only(self, rows: np.ndarray) -> Blocks:
        """The same blocks with some of their rows (n,) bool; horizons that none of these has are left out."""
        kept, horizon = np.unique(self.horizon[rows], return_inverse=True)
        return Blocks(self.block[rows], self.order, self.starts, horizon, self.horizons[kept])

    def means(self, values: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
        """(1 + draws, h + 1, k) means of values (n, k) within a bin, then over bins, by horizon; last over horizons.

        The first is of the rows as they are, the others of blocks drawn with replacement.
        """
        return self.weighed(values, np.concatenate([np.ones((1, len(self))), self.draw(draws, rng)]))

    def weighed(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(d, h + 1, k) such means where each block counts as often as `weights` (d, blocks) say."""
        sums = self.sums(values, self.horizon, len(self.horizons))[self.order]
        some = range(0, len(weights), CHUNK)  # a few at a time, so that memory stays small
        return np.concatenate([self._means(weights[k : k + CHUNK, self.order], sums) for k in some])

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n, blocks) how often each block is drawn."""
        return rng.multinomial(len(self), np.full(len(self), 1 / len(self)), n).astype(float)

    def _means(self, weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
        of_bins = np.add.reduceat(weights[:, :, None, None] * sums, self.starts, axis=1)
        count = of_bins[..., -1:]
        mean = np.where(count > 0, of_bins[..., :-1] / np.maximum(count, 1), 0.0).sum(axis=1)
        bins = (count > 0).sum(axis=1)
        by_horizon = np.where(bins > 0, mean / np.maximum(bins, 1), np.nan)
        return np.concatenate([by_horizon, by_horizon.mean(axis=1, keepdims=True)], axis=1)


def evidence(
    ours: pd.DataFrame,
    other: pd.DataFrame | None,
    slices: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of `ours` against `other` (both `row_scores` of the same windows in one order), a row per slice.

    Columns slice, value, horizon_h (NaN: over all), n, bins, those of MEASURES, cover80_low and _high, cover50_low and
    _high, other (its CRPS), other_brier, skill (1 - CRPS / other's), skill_low, skill_high: 95% intervals of blocks of
    a bin and a week, drawn in pairs; NaN where there are too few to tell. Bins count the same, horizons too.
    """
    if other is not None and not ours[KEY].reset_index(drop=True).equals(other[KEY].reset_index(drop=True)):
        raise ValueError("scores of different windows")
    groups = [("all", "all", np.arange(len(ours)))]
    for name in slices:
        found = ours.groupby(name, observed=True).indices
        groups += [(name, str(value), np.asarray(found[value])) for value in sorted(found, key=str)]
    base = np.full((len(ours), 2), np.nan) if other is None else other[["crps", "brier"]].to_numpy(float)
    values = np.column_stack([ours[list(MEASURES)].to_numpy(float), base])
    rng = np.random.default_rng(seed)
    tables = [_of_slice(ours.iloc[at], values[at], draws, rng).assign(slice=n, value=v) for n, v, at in groups]
    table = pd.concat(tables, ignore_index=True)
    return table[["slice", "value", *[c for c in table if c not in ("slice", "value")]]]


def _of_slice(rows: pd.DataFrame, values: np.ndarray, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    blocks = Blocks.of(rows)
    means = blocks.means(values, draws, rng)
    theirs = means[:, :, len(MEASURES)]
    skill = 1 - means[:, :, 0] / np.where(theirs > 0, theirs, np.nan)
    table = pd.DataFrame({"horizon_h": [*blocks.horizons, np.nan]})
    per = rows.groupby("horizon_h")["bin_id"]
    table["n"] = [*per.size(), len(rows)]
    table["bins"] = [*per.nunique(), rows["bin_id"].nunique()]
    for place, name in enumerate([*MEASURES, "other", "other_brier"]):
        table[name] = means[0, :, place]
    table["skill"] = skill[0]
    enough = len(blocks) >= LEAST_BLOCKS
    for name, drawn in (
        ("skill", skill[1:]),
        ("cover80", means[1:, :, MEASURES.index("cover80")]),
        ("cover50", means[1:, :, MEASURES.index("cover50")]),
    ):
        table[f"{name}_low"], table[f"{name}_high"] = interval(drawn) if enough else (np.nan, np.nan)
    return table


def reliability_table(rows: pd.DataFrame, *, tenths: int = 10, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Forecasts by tenth of p_full: n, p_mean, event_rate with its interval low-high, from blocks of bin and week.

    Empty tenths are left out. Windows count the same.
    """
    known = rows.dropna(subset="p_full")
    if not len(known):
        return pd.DataFrame({name: np.zeros(0) for name in ("n", "p_mean", "event_rate", "low", "high")})
    p = known["p_full"].to_numpy(float)
    blocks = Blocks.of(known)
    cell = np.minimum((p * tenths).astype(int), tenths - 1)
    sums = blocks.sums(np.column_stack([p, known["event"].to_numpy(float)]), cell, tenths)
    total = sums.sum(axis=0)
    some = total[:, -1] > 0
    drawn = np.tensordot(blocks.draw(draws, np.random.default_rng(seed)), sums[:, some], axes=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = drawn[..., 1] / drawn[..., -1]
    enough = (sums[:, some, -1] > 0).sum(axis=0) >= LEAST_BLOCKS
    low, high = interval(rate)
    return pd.DataFrame(
        {
            "n": total[some, -1].astype(int),
            "p_mean": total[some, 0] / total[some, -1],
            "event_rate": total[some, 1] / total[some, -1],
            "low": np.where(enough, low, np.nan),
            "high": np.where(enough, high, np.nan),
        }
    )


def interval(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the middle 95% of each column of draws (d, …); NaN where more than half of the draws are."""
    usable = np.isnan(drawn).mean(axis=0) <= 0.5
    filled = np.where(usable, drawn, 0.0)
    low, high = np.nanquantile(filled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return np.where(usable, low, np.nan), np.where(usable, high, np.nan)
