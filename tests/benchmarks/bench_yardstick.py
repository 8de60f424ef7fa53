"""The neutral yardstick: python tests/benchmarks/bench_yardstick.py [prague|wyndham] [seed].

Fits on what was heard before the test period of ../shared/data, forecasts every window of ../shared/bench, and lets
../shared/bench/score.py judge each stream. Below its table: the CRPS as a share of the best peer's, as RESULTS.md tells
it, and of the same peer as fitted here, with 95% intervals (whole weeks of bins are drawn); what 80% intervals hold in
slices of 1,000 windows or more, each window counted once, by the scorer's check (half a point of slack, as sensors
speak in whole percents) and without slack; and how often bins were full, by tenth of p_full.
Not to be tuned on: held-out months before the test periods are there for that (`brimcast training backtest`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.history import History
from training.baselines import baseline
from training.evidence import reliability_table
from training.inputs import read_history
from training.model import FillModel
from training.scores import bootstrap_ratio, row_scores
from training.settings import ModelSettings
from training.slices import slices_of

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
PLACES = {"prague": ("2025-02-01T00:00Z", "CZ"), "wyndham": ("2020-07-01T00:00Z", "AU")}
HORIZONS_H = (6, 12, 24, 48, 72)
PEER = "lgb-quantile"
FEWEST = 1_000


def main(place: str = "prague", seed: int = 0) -> None:
    """Print what the scorer says of each stream of a place."""
    until, country = PLACES[place]
    readings, bins = (str(SHARED / "data" / f"{place}_{table}") for table in ("readings.parquet", "bins.csv"))
    history = read_history(readings, bins).history
    model = FillModel.fit(history, until=pd.Timestamp(until), seed=seed, settings=ModelSettings(country=country))
    windows = pd.read_parquet(SHARED / "bench" / f"{place}_windows.parquet")
    forecasts = model.forecast_windows(history, windows)
    peer = baseline(PEER).fit(history, pd.Timestamp(until)).forecast_windows(history, windows)
    streams = windows["bin_id"].map(history.bins.unique["stream"]).to_numpy()
    for stream in pd.unique(streams):
        mine = streams == stream
        said = judged(windows[mine], forecasts[mine])
        print(f"\n{place}, {stream}\n{said}\n{shares(said, stream if place == 'prague' else place)}")
        rows = row_scores(windows[mine], forecasts[mine])
        print(beside(rows, row_scores(windows[mine], peer[mine])))
        print(held(history, windows[mine], forecasts[mine], rows).round(3).to_string(index=False))
        told = reliability_table(rows)
        print(told[told["n"] >= FEWEST].round(3).to_string(index=False), flush=True)


def judged(windows: pd.DataFrame, forecasts: pd.DataFrame) -> str:
    """The scorer's own table."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/windows.parquet", f"{folder}/forecasts.parquet"]
        windows.to_parquet(paths[0])
        forecasts.to_parquet(paths[1])
        command = [sys.executable, str(SHARED / "bench" / "score.py"), "score", "--windows", paths[0], "--forecasts"]
        return subprocess.run([*command, paths[1]], check=True, capture_output=True, text=True).stdout.strip()


def shares(said: str, section: str) -> str:
    """CRPS by horizon over the peer's; "6 to 24 h" and "all" are ratios of means."""
    ours = {row[0]: float(row[4]) for row in cells(said) if row[0] in {*map(str, HORIZONS_H), "overall"}}
    results = (SHARED / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    table = next(part for part in results.split("\n## ") if section in part.partition("\n")[0].lower())
    peer = next(row for row in cells(table) if row[0] == PEER)[1:6]
    pairs = {h: (ours[str(h)], float(theirs)) for h, theirs in zip(HORIZONS_H, peer, strict=True) if theirs}
    parts = [f"{h} h {mine / theirs:.3f}" for h, (mine, theirs) in pairs.items()]
    for name, some in (("6 to 24 h", [h for h in pairs if h <= 24]), ("all", list(pairs))):
        mine, theirs = (sum(pairs[h][k] for h in some) for k in (0, 1))
        parts.append(f"{name} {mine / theirs:.3f}")
    return f"as a share of {PEER}: {', '.join(parts)}"


def beside(rows: pd.DataFrame, peer: pd.DataFrame) -> str:
    """CRPS by horizon over that of the peer as fitted here, of the same windows, with 95% intervals."""
    parts = []
    for h in sorted(rows["horizon_h"].unique()):
        some = rows["horizon_h"] == h
        share, low, high = bootstrap_ratio(rows[some], peer[some], np.random.default_rng(0))
        parts.append(f"{h:.0f} h {share:.3f} ({low:.3f}, {high:.3f})")
    return f"as a share of {PEER} as fitted here: {', '.join(parts)}"


def held(history: History, windows: pd.DataFrame, forecasts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What 80% intervals hold of all windows and of each slice that has enough of them."""
    inside = (windows["y"] >= forecasts["q10"]) & (windows["y"] <= forecasts["q90"])
    slices = slices_of(history, windows.reset_index(drop=True))[["level_now", "day"]].set_axis(windows.index)
    rows = slices.assign(
        all="", horizon_h=windows["horizon_h"], windows=1, cover80=scores["cover80"].to_numpy(), no_slack=inside
    )
    means = {"windows": "sum", "cover80": "mean", "no_slack": "mean"}
    tables = [
        rows.groupby(name).agg(means).reset_index(names="value").assign(slice=name)
        for name in ("all", "horizon_h", "level_now", "day")
    ]
    table = pd.concat(tables)[["slice", "value", *means]]
    return table[table["windows"] >= FEWEST]


def cells(text: str) -> list[list[str]]:
    """The rows of all tables in a text of Markdown."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[re.sub(r"\*", "", cell).strip() for cell in row] for row in rows]


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
