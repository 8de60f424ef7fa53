"""What happens if nobody comes: python tests/benchmarks/bench_unattended.py [prague|wyndham] [examples].

On held-out months of the real data (../shared/data), before the test periods: what was thrown in by the deposits of
`training.deposits`, emptied or not, added to what lay there at as_of, is what would have lain there. CRPS, and Brier
score of p_full, of the forecast's `values`, of `left_alone` and of own rates only, over windows that nobody cut and
over all. Then how often bins would have been full, by what `p_full` told of all windows.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.sequences import HOUR_US, microseconds
from training.deposits import Deposits
from training.inputs import read_history
from training.labels import label
from training.left_alone import LeftAlone
from training.model import FillModel
from training.practice import known_by
from training.settings import ModelSettings

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PLACES = {
    "prague": ("2024-10-01T00:00Z", "2025-02-01T00:00Z", "CZ", (6, 12, 24, 36, 48, 72)),
    "wyndham": ("2020-01-01T00:00Z", "2020-07-01T00:00Z", "AU", (24, 48, 72)),
}
EVERY_H = 11
TAUS = np.arange(1, 10) / 10
TOLD = np.array([0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0])
FEWEST = 100


def main(place: str = "prague", examples: int = 120_000) -> None:
    """Print the table of a place."""
    begin, end, country, horizons_h = PLACES[place]
    start, stop = pd.Timestamp(begin), pd.Timestamp(end)
    whole = read_history(str(FOLDER / f"{place}_readings.parquet"), str(FOLDER / f"{place}_bins.csv")).history
    history, _ = known_by(whole, stop)
    model = FillModel.fit(history, until=start, settings=ModelSettings(country=country, examples=examples))
    nobody_came = replace(model, left_alone=LeftAlone(np.full_like(model.left_alone.share, 1e-9)))
    deposits = Deposits.of(history)
    ids = deposits.lines.bin_ids.to_numpy(object)
    rows = np.arange(len(ids))
    scored = []
    for as_of in pd.date_range(start, stop - pd.Timedelta(hours=max(horizons_h)), freq=f"{EVERY_H}h"):
        told, rates = model.forecast(history, as_of, list(ids)), nobody_came.forecast(history, as_of, list(ids))
        usual = replace(told, values=told.left_alone)
        now_us = np.full(len(ids), microseconds(pd.DatetimeIndex([as_of]))[0])
        lay = deposits.base_at(rows, now_us)
        for horizon_h in horizons_h:
            at = as_of + pd.Timedelta(hours=horizon_h)
            later = deposits.until(rows, now_us + round(horizon_h * HOUR_US))
            y = np.clip(deposits.shown(rows, lay + later), 0, 100)
            frame = pd.DataFrame({"bin_id": ids, "as_of": as_of, "at": at, "horizon_h": horizon_h})
            for name, forecast in (("left alone", usual), ("values", told), ("own", rates)):
                missed = y[:, None] - forecast.quantiles(TAUS, at)
                frame[name] = 2 * np.maximum(TAUS * missed, (TAUS - 1) * missed).mean(axis=1)
                frame[f"brier {name}"] = (forecast.p_full(at) - (y >= told.full_pct)) ** 2
            frame["p_full"], frame["full"] = told.p_full(at), y >= told.full_pct
            scored.append(frame)
    table = pd.concat(scored, ignore_index=True).dropna()
    table["bin_id"] = table["bin_id"].astype("str")
    left = label(history.readings, table[["bin_id", "as_of", "at"]].assign(row=table.index), history.emptyings)
    table["left"] = table.index.isin(left["row"])
    table["stream"] = table["bin_id"].map(history.bins.unique["stream"]).fillna("mixed")
    names = [name for name in table.columns if name.removeprefix("brier ") in ("left alone", "values", "own")]
    for what, part in (("left alone", table[table["left"]]), ("all windows", table)):
        grouped = part.groupby(["stream", "horizon_h"])
        print(f"\n{what}: CRPS and Brier score of p_full against what would have lain there")
        print(grouped[names].mean().assign(n=grouped.size()).round(3).to_string(), flush=True)
    spans = pd.cut(table["horizon_h"], [0, 12, 24, 72])
    by = table.groupby(["stream", spans, pd.cut(table["p_full"], TOLD, include_lowest=True)], observed=True)
    seen = by[["p_full", "full"]].mean().assign(n=by.size())
    print("\nall windows: how often bins would have been full, by what p_full told")
    print(seen[seen["n"] >= FEWEST].round(3).to_string(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
