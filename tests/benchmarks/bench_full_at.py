"""When bins are full: python tests/benchmarks/bench_full_at.py [bins] [days] [seeds] [examples], or ... prague|wyndham.

Simulated cities, every other one from July on: rates grow in spring and fall in autumn, and every pace lags behind.
The last 30 days are asked every 17 hours. Hours by which the median of `full_at` misses the moment at which the bin
would truly have been full if nobody had come: the model's, the rates' of simple rules, and those of two limits, which
both know the true level: one has seen every single deposit of the last 28 days and scales the model's profile by them;
the other knows every bin's true mean rate, season and weather of the hours to come.

In a real place (../shared/data, held-out months before the test period, every 23 hours) emptyings cut most windows
before the bin is full: the loss that counts is Powell's (`training.times_to_full.scores`), which every window enters.
Then how many bins were full by p10, p50 and p90 of the model's `full_at`, cut windows counted by Kaplan and Meier, and
the same table held against what was thrown in through emptyings (`training.deposits`), which cut nothing.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from bench_oracle import TEST_DAYS, heard
from bench_unattended import FOLDER, PLACES

from data.history import History
from data.sequences import HOUR_US, microseconds
from data.simulation import CitySettings, Simulation, simulate
from training.calendar import Clock
from training.deposits import Deposits
from training.forecast import FillForecast
from training.inputs import read_history
from training.model import FillModel
from training.practice import known_by
from training.rules import Rule
from training.settings import ModelSettings
from training.times_to_full import (
    LONGEST_H,
    PASSAGE_H,
    crossing,
    first_full,
    full_by_deposits,
    passed,
    rate_passage,
    scores,
    told_by,
    truly_full,
    truly_thrown_in,
)

FIRST_SEED = 21
STARTS = pd.Timestamp("2025-01-06", tz="UTC"), pd.Timestamp("2025-07-07", tz="UTC")
EVERY_H, REAL_EVERY_H = 17, 23
LONGEST_ASKED_H = 72
FULL_PCT = 95.0
RULES = ("rate-28d", "weekday-rate", "hour-of-week")
SEEN, TRUE = "every deposit seen", "true mean rates"
PACE_H, PRIOR_PCT = 672, 12.0
PROBABILITIES = (0.1, 0.5, 0.9)


def by_seen_deposits(simulation: Simulation, model: FillModel, asked: pd.DataFrame) -> np.ndarray:
    """(n,) hours until the true level plus the profile's rates, at the pace of what truly came in 28 days, is full."""
    lines, total = truly_thrown_in(simulation.true_levels)
    code, now_us = lines.codes_of(asked["bin_id"]), microseconds(asked["as_of"])
    now, then = (lines.before(code, now_us - back * HOUR_US, inclusive=True) - 1 for back in (0, PACE_H))
    clock = Clock.over(np.full(len(asked), simulation.settings.timezone), int(now_us.min()), int(now_us.max()))
    start_s = clock.local_s(now_us, np.arange(len(asked)))
    stream = simulation.bins.set_index("bin_id")["stream"].reindex(asked["bin_id"]).to_numpy(object)

    def expected(from_h: float, hours: np.ndarray) -> np.ndarray:
        """(n, h) points that the profile expects."""
        spans = {"bin_id": asked["bin_id"], "stream": stream, "start_s": start_s + int(from_h * 3600)}
        frame = pd.DataFrame(spans).loc[asked.index.repeat(len(hours))]
        return model.profiles.predict(frame.assign(hours=np.tile(hours, len(asked)))).reshape(len(asked), -1)

    usual = expected(-PACE_H, np.array([float(PACE_H)]))
    pace = (total[now] - total[then] + PRIOR_PCT)[:, None] / (usual + PRIOR_PCT)
    curves = lines.value[now][:, None] + expected(0, PASSAGE_H) * pace
    return crossing(curves, PASSAGE_H, np.full(len(asked), FULL_PCT))


def by_true_rates(simulation: Simulation, asked: pd.DataFrame) -> np.ndarray:
    """(n,) hours until the true level plus what is gathered at the true rates, shocks and events aside, is full."""
    rate = simulation.rates.rate_pct_per_h
    total = np.vstack([np.zeros((1, rate.shape[1])), np.cumsum(rate, axis=0, dtype=float)])
    bins = pd.Index(simulation.bins["bin_id"]).get_indexer(pd.Index(asked["bin_id"]))
    hour = ((asked["as_of"] - pd.Timestamp(simulation.settings.start)) // pd.Timedelta(hours=1)).to_numpy(int)
    ahead = np.arange(round(LONGEST_H) + 1)
    reach = np.minimum(hour[:, None] + ahead, len(total) - 1)
    level = simulation.levels.level[hour, bins][:, None] + total[reach, bins[:, None]] - total[hour, bins][:, None]
    full = level >= FULL_PCT
    return np.where(full.any(axis=1), full.argmax(axis=1), np.inf)


def measure(simulation: Simulation, examples: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A row a forecaster, and the shares full by each of PROBABILITIES: see `training.times_to_full`."""
    settings = simulation.settings
    start = pd.Timestamp(settings.start) + pd.Timedelta(days=settings.days - TEST_DAYS)
    history = heard(simulation)
    model = FillModel.fit(history, until=start, settings=ModelSettings(examples=examples))
    stop = start + pd.Timedelta(days=TEST_DAYS) - pd.Timedelta(hours=LONGEST_H)
    asked, told, forecast = _told(model, history, start, stop, EVERY_H)
    told[SEEN] = by_seen_deposits(simulation, model, asked)
    told[TRUE] = by_true_rates(simulation, asked)
    seen = truly_full(simulation.true_levels, asked, np.full(len(asked), FULL_PCT))
    return _scores(seen, asked, told), _passed(seen, asked, forecast)


def measure_real(place: str) -> None:
    """Print the table of each stream of a real place, and of all."""
    begin, end, country, _ = PLACES[place]
    start, stop = pd.Timestamp(begin), pd.Timestamp(end)
    whole = read_history(str(FOLDER / f"{place}_readings.parquet"), str(FOLDER / f"{place}_bins.csv")).history
    history, _ = known_by(whole, stop)
    model = FillModel.fit(history, until=start, settings=ModelSettings(country=country))
    asked, told, forecast = _told(model, history, start, stop - pd.Timedelta(hours=LONGEST_ASKED_H), REAL_EVERY_H)
    full_pct = np.full(len(asked), FULL_PCT)
    seen = first_full(history.readings, asked, full_pct)
    thrown_in = full_by_deposits(Deposits.of(history), asked, full_pct)
    kinds = history.bins.unique["stream"].fillna("mixed")
    for name in [*np.unique(kinds), "all"]:
        rows, uncut = (part[(part["bin_id"].map(kinds) == name) | (name == "all")] for part in (seen, thrown_in))
        print(f"\n{place}, {name}: hours\n{_scores(rows, asked, told).round(2).to_string()}")
        print(f"full by p10, p50, p90: {_passed(rows, asked, forecast).round(2).tolist()}")
        print(f"through emptyings: hours\n{_scores(uncut, asked, told).round(2).to_string()}", flush=True)


def _told(
    model: FillModel, history: History, start: pd.Timestamp, stop: pd.Timestamp, every_h: int
) -> tuple[pd.DataFrame, dict[str, np.ndarray], FillForecast]:
    """The moments asked (bin_id, as_of) of all bins, the hours (n,) to the full bin by the model and the rules, and the
    model's forecasts.
    """
    ids = history.bins.unique["bin_id"].to_numpy(object)
    moments = pd.date_range(start, stop, freq=f"{every_h}h")
    asked = pd.DataFrame({"bin_id": np.tile(ids, len(moments)), "as_of": moments.repeat(len(ids))})
    full_pct = np.full(len(asked), FULL_PCT)
    forecast = FillForecast.joined([model.forecast(history, t, list(ids)) for t in moments])
    by_rules = {name: rate_passage(Rule(name).fit(history, start), history, asked, full_pct) for name in RULES}
    return asked, {"model": told_by(forecast, full_pct), **by_rules}, forecast


def _passed(seen: pd.DataFrame, asked: pd.DataFrame, forecast: FillForecast) -> np.ndarray:
    rows = pd.MultiIndex.from_frame(asked).get_indexer(pd.MultiIndex.from_frame(seen[["bin_id", "as_of"]]))
    until = pd.to_timedelta(seen["hours"].fillna(seen["open_h"]), unit="h")
    at = (seen["as_of"] + until).to_numpy("datetime64[us]")
    return passed(seen, forecast.take(rows).p_full(at, FULL_PCT), PROBABILITIES)


def _scores(seen: pd.DataFrame, asked: pd.DataFrame, told: dict[str, np.ndarray]) -> pd.DataFrame:
    key = ["bin_id", "as_of"]
    of_seen = {name: seen[key].merge(asked.assign(told=x), on=key, how="left")["told"] for name, x in told.items()}
    return pd.DataFrame({name: scores(seen, x.fillna(np.inf).to_numpy(float)) for name, x in of_seen.items()}).T


def main(bins: int = 60, days: int = 150, seeds: int = 4, examples: int = 60_000) -> None:
    """Print the table of each city, their means, and these as a share of the best rule's."""
    tables, shares = {}, []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        settings = CitySettings(bins=bins, days=days, start=STARTS[(seed - FIRST_SEED) % len(STARTS)])
        tables[seed], share = measure(simulate(settings, np.random.default_rng(seed)), examples)
        shares.append(share)
        print(f"\nseed {seed}, from {settings.start:%B} on: hours\n{tables[seed].round(1).to_string()}", flush=True)
    means = pd.concat(tables).groupby(level=1, sort=False)[["error", "bias", "powell"]].mean()
    print(f"\nmean over {seeds} cities\n{means.round(1).to_string()}")
    over = means.loc[["model", SEEN, TRUE], ["error", "powell"]] / means.loc[list(RULES), ["error", "powell"]].min()
    print(f"\nover the best rule's\n{over.round(3).to_string()}")
    print(f"\nfull by p10, p50, p90: {np.mean(shares, axis=0).round(3).tolist()}")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PLACES:
        measure_real(sys.argv[1])
    else:
        main(*map(int, sys.argv[1:]))
