"""Draws the README's picture: one forecast of the next three days against what then came true, in a simulated city.

python notebooks/forecast_picture.py --out notebooks/forecast.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import ConciseDateFormatter, DayLocator
from matplotlib.figure import Figure

from data.bins import Bins
from data.cleaning import clean
from data.history import History
from data.simulation import CitySettings, Simulation, simulate
from training.model import FillModel
from training.settings import ModelSettings

BLUE, INK, GREY, RED = "#1f6fb2", "#20262e", "#9aa0a8", "#c0392b"
AHEAD = pd.Timedelta("72h")
BEFORE = pd.Timedelta("60h")


def undisturbed(simulation: Simulation, as_of: pd.Timestamp) -> pd.Series:
    """Points by which each bin fills within `AHEAD` of `as_of`, of those that nobody empties about then."""
    emptied = simulation.true_emptyings
    disturbed = emptied.loc[emptied["emptied_at"].between(as_of - BEFORE / 2, as_of + AHEAD), "bin_id"]
    levels = simulation.true_levels.set_index(["bin_id", "at"])["level"].unstack(0)
    risen = (levels.loc[as_of + AHEAD] - levels.loc[as_of]).drop(disturbed.unique())
    return pd.Series(risen)


def draw(simulation: Simulation, history: History, model: FillModel, bin_id: str, as_of: pd.Timestamp) -> Figure:
    """The forecast of one bin as a fan, the readings it knew and the true level of the hours after it."""
    at = pd.date_range(as_of, as_of + AHEAD, freq="h", inclusive="right")
    fan = model.forecast_windows(history, pd.DataFrame({"bin_id": bin_id, "as_of": as_of, "at": at}))
    levels = simulation.true_levels
    truth = levels[(levels["bin_id"] == bin_id) & levels["at"].between(as_of, as_of + AHEAD)]
    known = history.until(as_of).readings.frame
    known = known[(known["bin_id"] == bin_id) & (known["measured_at"] >= as_of - BEFORE)]

    figure = Figure(figsize=(8.4, 3.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for low, high, alpha in (("q05", "q95", 0.15), ("q10", "q90", 0.2), ("q30", "q70", 0.3)):
        axes.fill_between(fan["at"], fan[low], fan[high], color=BLUE, alpha=alpha, lw=0)
    axes.plot(fan["at"], fan["q50"], color=BLUE, lw=1.5, label="forecast: median, 40, 80 and 90% intervals")
    axes.plot(truth["at"], truth["level"].clip(upper=100), color=INK, lw=1.5, ls=(0, (4, 1.5)), label="what came true")
    axes.plot(known["measured_at"], known["fill_pct"], ".", color=GREY, ms=4, label="readings known by then")
    axes.axvline(as_of, color=GREY, lw=0.8)
    axes.axhline(95, color=RED, lw=0.8, ls=":")
    axes.annotate("full", (as_of - AHEAD / 36, 95), color=RED, fontsize=8, va="bottom", ha="right")
    axes.set(ylabel="fill (%)", ylim=(0, 105), xlim=(as_of - BEFORE, as_of + AHEAD))
    axes.xaxis.set_major_locator(DayLocator())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    axes.set_title(f"{bin_id}, forecast on {as_of:%A %d %B, %H:%M} UTC", loc="left", fontsize=10)
    return figure


def main() -> None:
    """Simulate, fit, forecast, draw."""
    parser = argparse.ArgumentParser(description="Draw one forecast of a simulated city against what came true.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("forecast.png"), help="the PNG to write")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws another city")
    asked = parser.parse_args()
    simulation = simulate(CitySettings(bins=50, days=75), np.random.default_rng(asked.seed))
    bins = Bins.checked(simulation.bins)
    history = History.of(clean(simulation.readings, bins).readings, bins=bins)
    as_of = pd.Timestamp("2025-03-13T05:00", tz="UTC")
    # The bin whose three days are nearest to 60 points: one that is in doubt, whatever the forecast of it.
    risen = undisturbed(simulation, as_of)
    bin_id = str((risen - 60).abs().idxmin())
    model = FillModel.fit(history, until=as_of - pd.Timedelta("1D"), settings=ModelSettings(examples=30_000))
    draw(simulation, history, model, bin_id, as_of).savefig(asked.out, metadata={"Software": None})
    print(f"{asked.out}: {bin_id}, as of {as_of}")


if __name__ == "__main__":
    main()
