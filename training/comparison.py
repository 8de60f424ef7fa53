"""Forecasters side by side on the same windows, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.errors import InputError
from training.backtest import Backtest
from training.scores import bootstrap_ratio, row_scores, summary

DRAWS = 500


def compare(
    forecasts: Backtest | Mapping[str, pd.DataFrame],
    windows: pd.DataFrame | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Table of overall scores, a row per forecaster in the order given (index `model`).

    Columns: those of `summary`, CRPS by horizon (`crps_6`, …), and `ratio`, `low`, `high`: CRPS over the first's with
    its 95% interval (blocks of bin and week, drawn in pairs). Give a backtest, or forecasts and labelled windows.
    """
    rows = _rows(forecasts, windows)
    if not rows:
        raise InputError("no forecasts", expected="at least one forecaster", remedy="Name the models to compare.")
    return compare_rows(rows, seed=seed, draws=draws)


def compare_rows(rows: Mapping[str, pd.DataFrame], *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """`compare` of forecasts that are scored already: `row_scores` of the same windows, in one order, by forecaster."""
    first = next(iter(rows.values()))
    lines: dict[str, dict[str, float]] = {}
    for name, own in rows.items():
        table = summary(own)
        horizons = {f"crps_{h}": value for h, value in table["crps"].items() if h != "overall"}
        ratio, low, high = bootstrap_ratio(own, first, np.random.default_rng(seed), draws)
        overall = dict(zip(table.columns, table.loc["overall"].to_numpy(float).tolist(), strict=True))
        lines[name] = overall | horizons | {"ratio": ratio, "low": low, "high": high}
    result = pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")
    return result.astype({"n": int, "bins": int, "missing": int})


def _rows(forecasts: Backtest | Mapping[str, pd.DataFrame], windows: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    if isinstance(forecasts, Backtest):
        return {name: forecasts.rows(name) for name in forecasts.forecasts}
    if windows is None:
        raise InputError("forecasts alone", expected="labelled windows too", remedy="Pass `windows` with y.")
    return {name: row_scores(windows, made) for name, made in forecasts.items()}
