"""How a bin is forecast in its first two weeks: python tests/benchmarks/bench_new_bin.py [examples].

On held-out months of Prague (../shared/data), before its test period: every three weeks all bins are played as new
ones, under names that no model knows, first heard of at that moment. Mean CRPS of their windows by stream and age, and
the share that the 80% intervals hold; beside the same model asked about the same windows of bins that it knows, and two
baselines asked about the new ones.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
from bench_new_stream import EVERY, FOLDER, HORIZONS_H, START, STOP

from training.baselines import baseline
from training.inputs import read_history
from training.labels import asks, label
from training.model import FillModel
from training.newcomers import LEAD, NEW, newcomers
from training.practice import known_by
from training.scores import row_scores
from training.settings import ModelSettings

FIRST_DAYS = 0.25
AGES_DAYS = (0.0, 1.0, 3.0, 7.0, 14.0)
BASELINES = ("rate-28d", "lgb-quantile")


def main(examples: int = 50_000) -> None:
    """Print the table."""
    whole = read_history(str(FOLDER / "prague_readings.parquet"), str(FOLDER / "prague_bins.csv")).history
    history, _ = known_by(whole, STOP)
    windows = label(history.readings, asks(history.readings, START, STOP, EVERY, HORIZONS_H), history.emptyings)
    model = FillModel.fit(history, until=START, settings=ModelSettings(country="CZ", examples=examples))
    rules = {name: baseline(name).fit(history, START) for name in BASELINES}
    ids = windows["bin_id"].unique().tolist()
    tables = []
    for begin in pd.date_range(START, STOP - pd.Timedelta(days=AGES_DAYS[-1]), freq="21D"):
        days = (windows["as_of"] - begin) / pd.Timedelta(days=1)
        asked = (days >= FIRST_DAYS) & (days < AGES_DAYS[-1])
        some, days = windows[asked].reset_index(drop=True), days[asked].reset_index(drop=True)
        new, renamed = newcomers(history, ids, begin + LEAD), some.assign(bin_id=NEW + some["bin_id"])
        as_new = row_scores(renamed, model.forecast_windows(new, renamed))
        of_rules = {name: row_scores(renamed, rule.forecast_windows(new, renamed)) for name, rule in rules.items()}
        tables.append(
            pd.DataFrame(
                {
                    "stream": some["bin_id"].map(history.bins.unique["stream"]),
                    "days": pd.cut(days, AGES_DAYS, right=False),
                    "windows": 1,
                    "new bins": as_new["crps"],
                    "held": as_new["cover80"],
                    "known bins": row_scores(some, model.forecast_windows(history, some))["crps"],
                    **{name: rows["crps"] for name, rows in of_rules.items()},
                }
            )
        )
    by_age = pd.concat(tables).groupby(["stream", "days"], observed=True)
    print(by_age.mean().assign(windows=by_age["windows"].sum()).round(2).to_string())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
