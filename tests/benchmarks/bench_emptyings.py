"""How many emptyings are found, and how many of the found are true: python tests/benchmarks/bench_emptyings.py [bins].

On simulated cities, by the level before (of the truth for recall, of what was found for precision), by the sensors'
noise, step and faults. A found emptying is a true one if at most three hours of readings, or one reading, lie between
the two: silence does not count, since in it nobody can tell when. Emptyings with no reading between them are
one. Each is matched once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.cleaning import clean, clean_bins
from data.emptyings import find_emptyings
from data.history import History
from data.sequences import microseconds
from data.simulation import CitySettings, Simulation, simulate

SEEDS = (201, 202, 203, 204, 205)
"""Cities that the detector was neither taught nor chosen on."""
DAYS = 60
NEAR_H = 3.0
BANDS = {"<20": (-5, 20), "20-40": (20, 40), "40-60": (40, 60), "60-80": (60, 80), "80+": (80, 201)}
SAID = (0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Bounds of the probabilities by which what was found is counted."""
STAYS_SHARE, STAYS_PCT = 0.2, 10.0
"""Of what was found: partial where so much is left."""
FAULTS: dict[str, dict[str, Any]] = {
    "spikes 3%": {"spike_share": 0.03},
    "a fifth partial": {"partial_share": 0.2},
    "settling, compaction": {"settling_share": 0.3, "compactions_per_month": 2.0},
    "echoes that return": {"echoes_per_month": 3.0},
    "moved sensors": {"moved_share": 0.5},
}
SETTINGS: dict[str, dict[str, Any]] = (
    {f"hourly, noise {noise}": {"noise_pct": noise} for noise in (1, 2, 4)}
    | {f"3-hourly, noise {noise}": {"noise_pct": noise, "report_interval_h": 3} for noise in (1, 2, 4)}
    | {"daily, 20-point steps": {"report_interval_h": 24, "step_pct": 20}}
    | {f"hourly, {name}": fault for name, fault in FAULTS.items()}
    | {f"3-hourly, {name}": fault | {"report_interval_h": 3} for name, fault in FAULTS.items()}
)


@dataclass(frozen=True)
class Judged:
    """Emptyings that happened and that were found, each with whether the other side has it.

    true: before, partial, hit; found: before, partial, probability, hit
    """

    true: pd.DataFrame
    found: pd.DataFrame


def heard(simulation: Simulation) -> History:
    """What a user would have of the city."""
    bins, _ = clean_bins(simulation.bins)
    return History.of(clean(simulation.readings, bins).readings, None, bins)


def judged(simulation: Simulation, history: History, found: pd.DataFrame) -> Judged:
    """Match `found` (the emptyings table) with the truth."""
    readings = history.readings.latest()
    ids = pd.Index(readings["bin_id"].unique())
    key = ids.get_indexer(pd.Index(readings["bin_id"])) * (1 << 52) + microseconds(readings["measured_at"]) // 4
    near = max(1, int(NEAR_H / simulation.settings.report_interval_h))

    def placed(events: pd.DataFrame) -> pd.DataFrame:
        """With `place`: before which of all readings it lies."""
        bin_ = ids.get_indexer(pd.Index(events["bin_id"]))
        place = np.searchsorted(key, bin_ * (1 << 52) + microseconds(events["emptied_at"]) // 4)
        before, after = events["fill_before_pct"].clip(upper=100), events["fill_after_pct"]
        left = (after >= STAYS_PCT) & (after >= STAYS_SHARE * before)
        whole = pd.DataFrame({"bin": bin_, "place": place, "before": before, "partial": events.get("partial", left)})
        whole["probability"] = events.get("probability", 1.0)
        whole = whole[bin_ >= 0].sort_values(["bin", "place"], kind="stable")
        return whole.drop_duplicates(["bin", "place"]).reset_index(drop=True)

    true, mine = placed(simulation.true_emptyings), placed(found)
    to, back = _nearest(true, mine, near), _nearest(mine, true, near)
    hit = (to >= 0) & (back[to] == np.arange(len(true)))
    hit_mine = np.zeros(len(mine), dtype=bool)
    hit_mine[to[hit]] = True
    return Judged(true.assign(hit=hit), mine.assign(hit=hit_mine))


def _nearest(mine: pd.DataFrame, others: pd.DataFrame, near: int) -> np.ndarray:
    """(n,) of each of `mine` the row of the nearest of `others` of the same bin, -1 if none is near."""
    left, right = (x.reset_index(names="row").sort_values("place", kind="stable") for x in (mine, others))
    joined = pd.merge_asof(left, right, on="place", by="bin", direction="nearest", tolerance=near)
    return joined.sort_values("row_x")["row_y"].fillna(-1).to_numpy(dtype=int)


def line(cities: list[Judged]) -> dict[str, str]:
    """Recall / precision in percent by band, partial emptyings apart; and of all together."""
    true, found = (pd.concat([getattr(city, side) for city in cities]) for side in ("true", "found"))

    def cell(which: Callable[[pd.DataFrame], pd.Series]) -> str:
        shares = [f"{100 * side.loc[which(side), 'hit'].mean():.1f}" for side in (true, found)]
        return " / ".join(shares)

    def of_band(low: float, high: float) -> Callable[[pd.DataFrame], pd.Series]:
        return lambda side: ~side["partial"] & (side["before"] >= low) & (side["before"] < high)

    whole = {name: cell(of_band(*band)) for name, band in BANDS.items()}
    whole["partial"] = cell(lambda side: side["partial"])
    whole["all"] = cell(lambda side: side["before"] >= -5)
    return whole | {"emptyings": f"{len(true):,}"}


def main(bins: int = 60) -> None:
    """Print a Markdown table, a setting a row: recall / precision in percent; and what it took."""
    names = [*BANDS, "partial", "all", "emptyings"]
    print("| level before | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    readings, took, said = 0, 0.0, []
    for name, kind in SETTINGS.items():
        cities = []
        for seed in SEEDS:
            simulation = simulate(CitySettings(bins=bins, days=DAYS, **kind), np.random.default_rng(seed))
            history = heard(simulation)
            began = time.perf_counter()
            found = find_emptyings(history).frame
            took += time.perf_counter() - began
            readings += len(history.readings)
            cities.append(judged(simulation, history, found))
        print(f"| {name} | " + " | ".join(line(cities).values()) + " |", flush=True)
        said += [city.found for city in cities]
    print("\n| probability | came true | found |\n|---|---|---|")
    whole = pd.concat(said)
    by = whole.groupby(pd.cut(whole["probability"], SAID))
    for (probability, came_true), count in zip(by[["probability", "hit"]].mean().to_numpy(), by.size(), strict=True):
        print(f"| {probability:.2f} | {came_true:.3f} | {count:,} |")
    print(f"\n{readings:,} readings in {took:.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
