"""What policies need on simulated cities: python tests/benchmarks/bench_replay.py [bins] [days] [seeds] [examples].

For each city: emptyings at equal overflow, 0.25 to 0.5 hours per bin-week above collecting at every opportunity,
against each rule, on the true deposits; with the default lead, a day of lead, and Mon/Wed/Fri rounds. `true rates` is
the same rule as Brimcast's, told by the oracle (data/oracle.py), which also knows the level; `true rates, level sensed`
knows it from readings only. Then how far replay on sensor data agrees with replay on true deposits. At the end the
medians.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.history import History
from data.levels import draw_deposits
from data.oracle import foretell
from data.simulation import CitySettings, Simulation, simulate
from training.counterfactual import Moment
from training.deposits import Deposits
from training.inputs import read_history
from training.model import FillModel
from training.opportunities import Rounds
from training.policies import DAYS, FORESIGHT, OWN_DAYS, THRESHOLD, WEEKDAY, Risk
from training.replay import Replay
from training.replay import replay as run_replay
from training.settings import ModelSettings

FIRST_SEED = 11
TEST_SHARE = 0.4
AHEAD_DAYS = 5  # the oracle foretells up to the end of the city
RISKS = (0.003, 0.015, 0.05, 0.15)
SETTINGS: dict[str, dict[str, Any]] = {
    "daily, 15 h lead": {},
    "daily, 24 h lead": {"lead": pd.Timedelta(hours=24)},
    "mon,wed,fri, 15 h lead": {"rounds": Rounds.named("mon,wed,fri")},
}
OURS, TRUE, SENSED = "brimcast", "true rates", "true rates, level sensed"
ROWS = (OURS, TRUE, SENSED, WEEKDAY, THRESHOLD, OWN_DAYS, DAYS, FORESIGHT)
AGAINST = (THRESHOLD, DAYS, OWN_DAYS, WEEKDAY, TRUE)


@dataclass(frozen=True)
class TrueRates:
    """Chances by the true rates of a city; `sensed`: the level is the one that the rules in use know."""

    simulation: Simulation
    sensed: bool
    paths: int = 300

    def p_full(self, moment: Moment, at_us: np.ndarray) -> np.ndarray:
        """See `training.policies.Chances`: the oracle of this city, asked as if the bins were at the replayed level."""
        city = self.simulation
        now, since = moment.newest
        if not self.sensed:
            since = moment.decided_us
            deposits = moment.scene.deposits
            lies = moment.base[moment.rows, moment.number] + deposits.until(moment.rows, since)
            now = deposits.shown(moment.rows, lies)
        level = np.zeros(len(city.bins), dtype=np.float32)
        level[moment.rows] = np.nan_to_num(now, nan=50.0)
        levels = replace(
            city.levels,
            level=np.broadcast_to(level, city.levels.level.shape),
            emptying=np.broadcast_to(np.int32(-1), city.levels.emptying.shape),
        )
        each = at_us.shape[1]
        windows = pd.DataFrame(
            {
                "bin_id": np.repeat(moment.bin_ids, each),
                "as_of": _seconds(np.repeat(since, each)),
                "at": _seconds(at_us.ravel()),
            }
        )
        rng = np.random.default_rng(moment.number)
        told = foretell(replace(city, levels=levels), windows, rng, paths=self.paths)
        return told["p_full"].to_numpy(float).reshape(at_us.shape)


def _seconds(time_us: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((time_us // 1_000_000).astype("datetime64[s]")).tz_localize("UTC")


def heard(simulation: Simulation) -> History:
    """What a user would have of the city."""
    with tempfile.TemporaryDirectory() as folder:
        simulation.write(Path(folder))
        return read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history


def true_deposits(simulation: Simulation, seed: int) -> Deposits:
    """What was thrown into a city that was simulated by `default_rng(seed)`."""
    settings = simulation.settings
    deposit_rng = np.random.default_rng(seed).spawn(6)[4]  # as `simulate` spawns them
    drawn = draw_deposits(settings, simulation.rates, deposit_rng)
    thrown = np.vstack([np.zeros((1, settings.bins)), drawn])
    at = pd.Timestamp(settings.start) + pd.to_timedelta(np.arange(len(thrown)), unit="h")
    ids = simulation.bins["bin_id"].to_numpy()
    truth = {"thrown_pct": thrown.ravel(), "level": simulation.levels.level.ravel()}
    frame = pd.DataFrame({"bin_id": np.tile(ids, len(at)), "at": at.repeat(len(ids)), **truth})
    return Deposits.known(frame, left_pct=settings.residue_pct / 2)


def relative(result: Replay) -> pd.DataFrame:
    """(rule, reference) -> emptyings at equal overflow over those of the reference, less 1."""
    made = {row: {reference: result.against(row, reference, draws=1).estimate for reference in AGAINST} for row in ROWS}
    return pd.DataFrame(made).T.reindex(columns=list(AGAINST))


def agreement(true: Replay, sensed: Replay) -> pd.DataFrame:
    """Emptyings and overflow hours of each policy on sensor data over those on true deposits, less 1."""
    both = true.frontier.merge(sensed.frontier, on=["family", "parameter"], suffixes=("", "_sensed"))
    names = ["emptyings", "overflow_h"]
    return both[["family", "parameter", *names]].assign(
        **{f"{name}_off": both[f"{name}_sensed"] / both[name] - 1 for name in names}
    )


def measure(
    simulation: Simulation, seed: int, history: History, model: FillModel, start: pd.Timestamp
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The tables of one city: `relative` by setting, and `agreement` in the first of them."""
    end = pd.Timestamp(simulation.settings.start) + pd.Timedelta(days=simulation.settings.days - AHEAD_DAYS)
    truth = true_deposits(simulation, seed)
    more = [Risk(TrueRates(simulation, sensed), name, risk) for name, sensed in ((TRUE, False), (SENSED, True))
            for risk in RISKS]  # fmt: skip
    tables, first = {}, None
    for name, how in SETTINGS.items():
        began = time.perf_counter()
        result = run_replay(history, {OURS: model}, start, end, risks=RISKS, deposits=truth, more=more, **how)
        first = first or result
        tables[name] = relative(result)
        print(f"\nseed {seed}, {name}: emptyings at equal overflow ({time.perf_counter() - began:.0f} s)")
        print(tables[name].round(3).to_string())
        shown = result.frontier[result.frontier["family"].isin([*ROWS[:3], "every-opportunity", "schedule"])]
        print(shown.round(3).to_string(index=False), flush=True)
    assert first is not None
    agreed = agreement(first, run_replay(history, {OURS: model}, start, end, risks=RISKS))
    print(f"\nseed {seed}: replay on sensor data against replay on true deposits")
    print(agreed.round(3).to_string(index=False), flush=True)
    return tables, agreed


def summarise(cities: list[tuple[dict[str, pd.DataFrame], pd.DataFrame]]) -> None:
    """Print medians over the cities."""
    for name in SETTINGS:
        tables = pd.concat([tables[name] for tables, _ in cities], keys=range(len(cities)))
        print(f"\n{name}: emptyings at equal overflow, median of {len(cities)} cities")
        print(tables.groupby(level=1, sort=False).median().round(3).to_string())
        print(f"Brimcast by city: against {THRESHOLD}, {WEEKDAY}, {TRUE}")
        print(tables.xs(OURS, level=1)[[THRESHOLD, WEEKDAY, TRUE]].round(3).to_string(index=False))
    agreed = pd.concat([part for _, part in cities])
    off = agreed.groupby("family", sort=False)[["emptyings_off", "overflow_h_off"]]
    print("\nSensor data against true deposits: median over parameters and cities, then the largest absolute")
    print(off.median().join(off.agg(lambda part: part.abs().max()).add_suffix("_most")).round(3).to_string())


def main(bins: int = 100, days: int = 180, seeds: int = 5, examples: int = 80_000) -> None:
    """Print every city's tables, and their medians."""
    cities = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        settings = CitySettings(bins=bins, days=days)
        simulation = simulate(settings, np.random.default_rng(seed))
        start = pd.Timestamp(settings.start) + pd.Timedelta(days=round(days * (1 - TEST_SHARE)))
        history = heard(simulation)
        model = FillModel.fit(history, until=start, settings=ModelSettings(examples=examples, threads=1))
        cities.append(measure(simulation, seed, history, model, start))
    summarise(cities)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
