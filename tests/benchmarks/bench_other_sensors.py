"""Other sensors, other fleets: python tests/benchmarks/bench_other_sensors.py [prague|wyndham] [names].

Real cities as they would look through other sensors, or with fewer bins or days: ../shared/data, changed in one way,
the held-out months before the test period asked. By stream: CRPS over that of the plain boosters (`lgb-quantile`) and
of the best rule, at the horizons that have 200 windows; what 80% intervals hold; Brier scores of p_full.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from bench_unattended import FOLDER, PLACES

from data.history import History
from data.readings import Readings
from training.baselines import baseline
from training.inputs import read_history
from training.labels import asks, label
from training.model import FillModel
from training.practice import known_by
from training.scores import row_scores, summary
from training.settings import ModelSettings

ASKED = {"prague": (7, (6, 12, 24, 48, 72)), "wyndham": (24, (24, 48, 72))}
FEWEST = 200
PEER, RULES = "lgb-quantile", ("persistence", "rate-28d", "weekday-rate", "hour-of-week")
Change = Callable[[pd.DataFrame, pd.Timestamp, np.random.Generator], pd.DataFrame]


def main(place: str = "prague", *names: str) -> None:
    """Print a row a change and stream."""
    begin, end, *_ = PLACES[place]
    every_h, horizons_h = ASKED[place]
    start, stop = pd.Timestamp(begin), pd.Timestamp(end)
    whole = read_history(str(FOLDER / f"{place}_readings.parquet"), str(FOLDER / f"{place}_bins.csv")).history
    known, _ = known_by(whole, stop)
    for name in names or CHANGES:
        frame = known.readings.frame.drop(columns="received_at")
        changed = CHANGES[name](frame, start, np.random.default_rng(0)).reset_index(drop=True)
        history = History(Readings.checked(changed), known.emptyings, known.bins)
        windows = label(history.readings, asks(history.readings, start, stop, pd.Timedelta(hours=every_h), horizons_h))
        made = {PEER: baseline(PEER).fit(history, start).forecast_windows(history, windows)}
        made |= {rule: baseline(rule).fit(history, start).forecast_windows(history, windows) for rule in RULES}
        made["model"] = FillModel.fit(history, until=start, settings=ModelSettings()).forecast_windows(history, windows)
        rows = {who: row_scores(windows, forecasts) for who, forecasts in made.items()}
        streams = windows["bin_id"].map(history.bins.unique["stream"]).fillna("mixed").to_numpy()
        for stream in np.unique(streams):
            mine = (streams == stream) & (windows.groupby([streams, "horizon_h"])["y"].transform("size") >= FEWEST)
            print(f"{name:>12} {stream:>8}  {told({who: scores[mine] for who, scores in rows.items()})}", flush=True)


def told(rows: dict[str, pd.DataFrame]) -> str:
    """The figures of a stream in a line, from the scores of each forecaster's windows."""
    by = {who: summary(scores).loc["overall"] for who, scores in rows.items()}
    ours, peer, rule = by["model"], by[PEER], min(by[name]["crps"] for name in RULES)
    return (
        f"CRPS {ours['crps']:.2f}, of {PEER} {ours['crps'] / peer['crps']:.3f}, of the best rule"
        f" {ours['crps'] / rule:.3f}, 80% hold {rows['model']['cover80'].mean():.3f},"
        f" Brier {ours['brier']:.4f} and {peer['brier']:.4f}, {len(rows['model']):,} windows"
    )


def _shown(change: Callable[[pd.DataFrame, np.random.Generator], np.ndarray | pd.Series]) -> Change:
    """What the sensor shows instead, within 0-100."""
    return lambda frame, _, rng: frame.assign(fill_pct=np.clip(change(frame, rng), 0, 100))


def _every(hours: float) -> Change:
    """The last reading of each of these spans."""
    return lambda frame, *_: frame.groupby(
        ["bin_id", frame["measured_at"].dt.floor(f"{hours}h")], observed=True, as_index=False
    ).tail(1)


def _two_bins(frame: pd.DataFrame, *_: object) -> pd.DataFrame:
    """Of each stream the first two."""
    ids = pd.Series(sorted(frame["bin_id"].unique()))
    kind = ids.str.rpartition("_")[2].where(ids.str.contains("_"), "")  # Prague's names end with the stream's number
    return frame[frame["bin_id"].isin(ids.groupby(kind).head(2))]


def _since(days: int) -> Change:
    """Only so many days before the first question."""
    return lambda frame, start, _: frame[frame["measured_at"] >= start - pd.Timedelta(days=days)]


def _silences(frame: pd.DataFrame, _: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    """A third of the days without a word, each bin's own."""
    day = frame["bin_id"].astype(str) + frame["measured_at"].dt.floor("1D").astype(str)
    code, days = pd.factorize(day)
    return frame[(rng.random(len(days)) > 1 / 3)[code]]


def _spiked(frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """One reading in fifty 30 points too high, one in fifty at nothing."""
    drawn = rng.random(len(frame))
    level = frame["fill_pct"].to_numpy(float)
    return np.where(drawn < 0.02, level + 30, np.where(drawn > 0.98, 0, level))


def _warmed(frame: pd.DataFrame, _: np.random.Generator) -> np.ndarray:
    """Four points up in the afternoon, down at night."""
    hour = frame["measured_at"].dt.hour.to_numpy(float)
    return frame["fill_pct"].to_numpy(float) + 4 * np.sin(2 * np.pi * (hour - 9) / 24)


CHANGES: dict[str, Change] = {
    "as it is": _shown(lambda frame, _: frame["fill_pct"]),
    "steps of 10": _shown(lambda frame, _: np.round(frame["fill_pct"] / 10) * 10),
    "steps of 25": _shown(lambda frame, _: np.round(frame["fill_pct"] / 25) * 25),
    "noise of 4": _shown(lambda frame, rng: frame["fill_pct"] + rng.normal(0, 4, len(frame))),
    "15 to 85": _shown(lambda frame, _: 15 + 0.7 * frame["fill_pct"]),
    "warmth": _shown(_warmed),
    "spikes": _shown(_spiked),
    "silences": _silences,
    "every 8 h": _every(8),
    "daily": _every(24),
    "two bins": _two_bins,
    "90 days": _since(90),
    "45 days": _since(45),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
