"""What is told of bins whose sensors are faulty: bench_faulty_sensors.py [bins] [days] [examples].

Two cities in which every sensor is once stuck, for three to fourteen days, and six of ten are once erratic. Of the
windows of the later half whose forecast says `faulty_sensor`, by what the sensor then was: what `values` (if nobody
comes) say of the true level, with the sensor believed by half, as it is, and wholly. Sensors that are `healthy` there
are wrongly called faulty, or only just mended.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from bench_oracle import heard, true_windows

from data.simulation import CitySettings, Simulation, simulate
from training import prospects
from training.model import FillModel
from training.scores import row_scores
from training.settings import ModelSettings

SEEDS = (31, 32)
TOLD = ["crps", "cover80", "width80", "brier"]


def main(bins: int = 80, days: int = 150, examples: int = 40_000) -> None:
    """Print the table of each city."""
    for seed in SEEDS:
        settings = CitySettings(
            bins=bins, days=days, noise_pct=2.0, stuck_share=1.0, stuck_hours=(72.0, 336.0), erratic_share=0.6
        )
        simulation = simulate(settings, np.random.default_rng(seed))
        start = pd.Timestamp(settings.start) + pd.Timedelta(days=days // 2)
        history = heard(simulation)
        model = FillModel.fit(history, until=start, settings=ModelSettings(examples=examples))
        windows = true_windows(simulation, history, start)
        told = model.forecast_windows(history, windows, unattended=True)
        faulty = (told["status"] == "faulty_sensor").to_numpy()
        windows = windows[faulty].reset_index(drop=True)
        was = sensors(simulation, windows)
        half = row_scores(windows, told[faulty].reset_index(drop=True))
        prospects.DOUBT, usual = 0.0, prospects.DOUBT
        whole = row_scores(windows, model.forecast_windows(history, windows, unattended=True))
        prospects.DOUBT = usual
        means = {name: rows.groupby(was)[TOLD].mean() for name, rows in (("half", half), ("wholly", whole))}
        table = means["half"].join(means["wholly"], rsuffix=", believed wholly")
        table["of its CRPS"] = table["crps"] / table["crps, believed wholly"]
        print(f"\nseed {seed}, {faulty.mean():.1%} of {len(faulty):,} windows are of sensors called faulty")
        print(table.assign(windows=was.value_counts()).round(3).to_string(), flush=True)


def sensors(simulation: Simulation, windows: pd.DataFrame) -> pd.Series:
    """(m,) what each window's sensor was at `as_of`: stuck, erratic or healthy."""
    was = pd.Series("healthy", index=windows.index)
    for spell in simulation.true_spells.itertuples():
        within = windows["as_of"].between(spell.begins_at, spell.ends_at, inclusive="left")
        was[(windows["bin_id"] == spell.bin_id) & within] = spell.kind
    return was


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
