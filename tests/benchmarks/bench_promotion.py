"""How the rule judges equals: python tests/benchmarks/bench_promotion.py [bins] [days] [cities] [seeds] [examples].

For each simulated city small models of one recipe are fitted without its last four weeks, each with another seed; every
one challenges every other on these weeks. Printed are the changes of CRPS over all windows and of emptyings in the
replay, and which checks refused: the rule's false alarms.
"""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import permutations
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.simulation import CitySettings, simulate
from training.contest import contest
from training.inputs import read_history
from training.model import FillModel
from training.promotion_settings import PromotionSettings
from training.settings import ModelSettings
from training.verdict import Verdict, judge


def verdicts(bins: int, days: int, city: int, seeds: int, examples: int) -> dict[tuple[int, int], Verdict]:
    """The verdict over each ordered pair of seeds in one city."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(CitySettings(bins=bins, days=days), np.random.default_rng(city)).write(Path(folder))
        history = read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history
    rule = PromotionSettings()
    end = history.span[1] if history.span else pd.Timestamp(0)
    start = (end - pd.Timedelta(weeks=rule.weeks)).ceil("h")
    how = ModelSettings(examples=examples, networks=1, trees=12, learning_rate=0.25, threads=1)
    models = [FillModel.fit(history, until=start, seed=seed, settings=how) for seed in range(seeds)]
    found = {}
    for one, two in permutations(range(seeds), 2):
        met = contest(models[one], models[two], history, start=start, end=end, settings=rule)
        found[one, two] = judge(met, (f"seed {one}", f"seed {two}"), rule)
    return found


def main(bins: int = 30, days: int = 90, cities: int = 2, seeds: int = 3, examples: int = 6000) -> None:
    """Print a line per pair, and the share that was refused."""
    refused = []
    for city in range(1, cities + 1):
        for (one, two), verdict in verdicts(bins, days, city, seeds, examples).items():
            overall, replayed = verdict.checks[0], verdict.checks[-1]
            against = ", ".join(f"{c.check} {c.of}" for c in verdict.checks if not c.passed)
            refused.append(not verdict.promoted)
            print(
                f"city {city}, seed {one} against {two}: CRPS {overall.change:+.1%} ({overall.low:+.1%} to "
                f"{overall.high:+.1%}), emptyings {replayed.change:+.1%}; {against or 'promoted'}",
                flush=True,
            )
    print(f"{sum(refused)} of {len(refused)} equals refused")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
