"""How good forecasts are: the neutral yardstick's definitions, written anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.errors import InputError
from data.tables import FULL_PCT

TAUS = np.arange(1, 10) / 10
DECILES = [f"q{p}" for p in range(10, 100, 10)]
KEY = ["bin_id", "as_of", "at"]
ROUNDING_PCT = 0.5  # slack of the interval check: most sensors report whole percents
P_EPS = 1e-3  # probabilities stay this far from 0 and 1 in the log loss
METRICS = ["crps", "mae", "bias", "cover80", "width80", "brier", "logloss"]
COLUMNS = ["n", "bins", "missing", *METRICS, "auc", "full_rate"]


def crps_deciles(y: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """(n,) twice the mean pinball loss of nine deciles (n, 9), in percentage points.

    Equals |y - q| for a point forecast and comes close to the continuous ranked probability score otherwise
    (Gneiting & Raftery 2007).
    """
    above = np.asarray(y, dtype=float)[:, None] - quantiles
    return 2 * np.maximum(TAUS * above, (TAUS - 1) * above).mean(axis=1)


def auc(probability: np.ndarray, event: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; NaN unless both outcomes occur."""
    event = np.asarray(event, dtype=bool)
    n_event, n_other = int(event.sum()), int((~event).sum())
    if n_event == 0 or n_other == 0 or np.isnan(probability).any():
        return float("nan")
    ranks = pd.Series(probability).rank().to_numpy()
    return float((ranks[event].sum() - n_event * (n_event + 1) / 2) / (n_event * n_other))


def row_scores(windows: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores of each labelled window (bin_id, as_of, at, horizon_h, y; further columns are carried along).

    Full is at `full_pct` where the windows have it, else at 95. A window without a forecast, or with an empty one, is
    scored as the uninformative forecast (deciles 10, 20 … 90, p_full one half) and marked `missing`. Raises InputError
    where forecasts break the contract.
    """
    _check(forecasts)
    numbers = forecasts[[*KEY, *DECILES, *(["p_full"] if "p_full" in forecasts else [])]]
    merged = windows[KEY].merge(numbers, on=KEY, how="left")
    quantiles, y = merged[DECILES].to_numpy(float, copy=True), windows["y"].to_numpy(float)
    missing = np.isnan(quantiles).all(axis=1)
    quantiles[missing] = TAUS * 100
    quantiles = quantiles.clip(0, 100)
    probability = merged["p_full"].to_numpy(float) if "p_full" in merged else np.full(len(y), np.nan)
    probability = np.where(missing, 0.5, probability) if "p_full" in merged else probability
    full_pct = windows["full_pct"].clip(upper=100).to_numpy(float) if "full_pct" in windows else FULL_PCT
    event = y >= full_pct
    safe = probability.clip(P_EPS, 1 - P_EPS)
    inside = (y >= quantiles[:, 0] - ROUNDING_PCT) & (y <= quantiles[:, 8] + ROUNDING_PCT)
    return windows.assign(
        missing=missing,
        crps=crps_deciles(y, quantiles),
        mae=np.abs(y - quantiles[:, 4]),
        bias=quantiles[:, 4] - y,
        cover80=inside.astype(float),
        width80=quantiles[:, 8] - quantiles[:, 0],
        event=event,
        p_full=probability,
        brier=(probability - event) ** 2,
        logloss=-np.where(event, np.log(safe), np.log(1 - safe)),
    )


def score(windows: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Table of scores, a row per horizon (index `horizon_h`) and `overall`; see `summary`."""
    return summary(row_scores(windows, forecasts))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of `row_scores` over the windows of a bin, then over bins; `overall` is the mean over horizons.

    AUC pools the bins, since many are never full; its overall value is the mean over the horizons that have one.
    """
    per_bin = rows.groupby(["horizon_h", "bin_id"])[METRICS].mean()
    by_horizon = rows.groupby("horizon_h")
    table = per_bin.groupby("horizon_h").mean()
    table["auc"] = pd.Series(
        {h: auc(g["p_full"].to_numpy(), g["event"].to_numpy()) for h, g in by_horizon}, dtype=float
    )
    table["full_rate"] = by_horizon["event"].mean()
    overall = table.mean()
    table["n"], table["bins"] = by_horizon.size(), by_horizon["bin_id"].nunique()
    table["missing"] = by_horizon["missing"].sum()
    counts = {"n": len(rows), "bins": rows["bin_id"].nunique(), "missing": int(rows["missing"].sum())}
    table.index = pd.Index([int(h) if float(h).is_integer() else h for h in table.index], dtype=object)
    table.loc["overall"] = overall.to_dict() | counts
    return table[COLUMNS].astype({"n": int, "bins": int, "missing": int}).rename_axis("horizon_h")


def summary_by(rows: pd.DataFrame, columns: str | Sequence[str]) -> pd.DataFrame:
    """`summary` of each group of rows, stacked: index (group columns…, horizon_h)."""
    names = [columns] if isinstance(columns, str) else list(columns)
    parts = {key: summary(part) for key, part in rows.groupby(names, sort=True)}
    return pd.concat(parts, names=[*names, "horizon_h"])


def skill(table: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    """1 - CRPS / the baseline's CRPS, per row of two `score` tables."""
    return (1 - table["crps"] / baseline["crps"]).rename("skill")


def reliability(rows: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Of forecasts in each tenth of p_full: how many, the mean p_full, and the share that came true.

    Columns: low, high, n, p_mean, event_rate and its standard error `error`. Empty tenths are left out.
    """
    known = rows.dropna(subset="p_full")
    cell = np.minimum((known["p_full"].to_numpy() * bins).astype(int), bins - 1)
    grouped = known.groupby(cell)
    table = pd.DataFrame(
        {"n": grouped.size(), "p_mean": grouped["p_full"].mean(), "event_rate": grouped["event"].mean()}
    )
    table["error"] = np.sqrt(table["event_rate"] * (1 - table["event_rate"]) / table["n"])
    table.insert(0, "low", table.index / bins)
    table.insert(1, "high", (table.index + 1) / bins)
    return table.reset_index(drop=True)


def bootstrap_ratio(
    rows: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator, n: int = 1000, level: float = 0.95
) -> tuple[float, float, float]:
    """(ratio, low, high) of overall CRPS, `rows` / `other` (two `row_scores` of the same windows, in one order).

    Resamples blocks of bin x week of both together. Blocks count as exchangeable: what many bins share (weather,
    events) makes the true interval wider.
    """
    if not rows[KEY].reset_index(drop=True).equals(other[KEY].reset_index(drop=True)):
        raise InputError("scores of different windows", expected="the same windows", remedy="Score both on one table.")
    week = ((rows["as_of"] - rows["as_of"].min()) // pd.Timedelta(days=7)).to_numpy()
    owner, names = pd.factorize(rows["bin_id"])
    horizon, horizons = pd.factorize(rows["horizon_h"], sort=True)
    block, pairs = pd.factorize(owner.astype(np.int64) * (int(week.max()) + 1) + week)
    pair_owner = np.asarray(pairs) // (int(week.max()) + 1)
    order = np.argsort(pair_owner, kind="stable")
    starts = np.searchsorted(pair_owner[order], np.arange(len(names)))
    cell = block * len(horizons) + horizon
    size = len(pairs) * len(horizons)
    sums = [
        np.bincount(cell, weights=weight, minlength=size).reshape(len(pairs), len(horizons))
        for weight in (rows["crps"].to_numpy(), other["crps"].to_numpy(), np.ones(len(rows)))
    ]
    ratios = [_ratio(np.ones((1, len(pairs))), sums, order, starts)]
    for left in range(n, 0, -20):  # a few draws at a time, so that memory stays small
        drawn = rng.multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)), min(left, 20))
        ratios.append(_ratio(drawn, sums, order, starts))
    ratio = np.concatenate(ratios)
    low, high = np.nanquantile(ratio[1:], [(1 - level) / 2, (1 + level) / 2])
    return float(ratio[0]), float(low), float(high)


def _ratio(weights: np.ndarray, sums: list[np.ndarray], order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(d,) ratio of overall CRPS for draws of block weights (d, blocks); `sums` are per block and horizon."""
    part = weights[:, order, None]
    a, b, count = (np.add.reduceat(part * total[order], starts, axis=1) for total in sums)
    present = count > 0
    bins_in = present.sum(axis=1)
    of_bins = [np.where(present, x / np.maximum(count, 1), 0).sum(axis=1) for x in (a, b)]
    crps = [np.where(bins_in > 0, x / np.maximum(bins_in, 1), np.nan).mean(axis=1) for x in of_bins]
    return crps[0] / crps[1]


def _check(forecasts: pd.DataFrame) -> None:
    lacking = [c for c in [*KEY, *DECILES] if c not in forecasts]
    if lacking:
        raise InputError(
            f"forecasts without {', '.join(lacking)}",
            expected="bin_id, as_of, at and the deciles q10 … q90",
            remedy="Make them with `brimcast training forecast`.",
        )
    twice = forecasts.duplicated(KEY)
    if twice.any():
        raise InputError(
            f"{int(twice.sum())} windows forecast twice, first {forecasts.loc[twice, KEY].iloc[0].tolist()}",
            expected="one forecast per window",
            remedy="Remove the repeats.",
        )
    quantiles = forecasts[DECILES].to_numpy(float)
    empty = np.isnan(quantiles)
    quantiles = quantiles[~empty.all(axis=1)]
    problem = None
    if np.isnan(quantiles).any():
        problem = "rows with some deciles empty"
    elif (quantiles < -1e-6).any() or (quantiles > 100 + 1e-6).any():
        problem = f"deciles from {quantiles.min():.3f} to {quantiles.max():.3f}"
    elif (np.diff(quantiles, axis=1) < -1e-6).any():
        problem = "deciles that decrease"
    elif "p_full" in forecasts and not forecasts.loc[~empty.all(axis=1), "p_full"].between(0, 1).all():
        problem = "p_full outside 0-1 or empty"
    if problem:
        raise InputError(
            problem,
            expected="deciles 0-100 that do not decrease and p_full 0-1, or rows all empty",
            remedy="Mend the forecasts.",
        )
