"""Challenger and champion on the same windows, which neither has learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from training.backtest import backtest
from training.baselines import Forecaster
from training.newcomers import LEAD, newcomers
from training.promotion_settings import PromotionSettings
from training.registry import CHALLENGER, CHAMPION
from training.replay import Replay, replay
from training.slices import KNOWN_NAMES

COLD = KNOWN_NAMES[0]
COLD_FOR = pd.Timedelta(days=14)


@dataclass(frozen=True)
class Contest:
    """Both rivals' `Backtest.rows` of the same windows, in the same order, from `start` to `end`.

    The last rows, where `played`, are of bins played as new ones: they count for the cold start alone. replay: what
    would have come of collecting by either, under the names of `backtest`'s forecasters; or why there is none.
    """

    challenger: pd.DataFrame
    champion: pd.DataFrame
    played: np.ndarray
    start: pd.Timestamp
    end: pd.Timestamp
    replay: Replay | str = "not asked for"

    def groups(self) -> dict[tuple[str, str], np.ndarray]:
        """Which rows (n,) bool each slice holds: all, streams, horizons, levels, the cold start."""
        rows, real = self.challenger, ~self.played
        found = {("all", "all"): real}
        for name in ("stream", "horizon_h", "level_now"):
            values = rows.loc[real, name]
            order = sorted(values.dropna().unique())
            for value in order:
                label = f"{value:g} h" if name == "horizon_h" else str(value)
                found[(name, label)] = real & (rows[name] == value).to_numpy()
        return found | {("known_for", COLD): (rows["known_for"] == COLD).to_numpy()}


def contest(
    challenger: Forecaster,
    champion: Forecaster,
    history: History,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp,
    settings: PromotionSettings,
    say: Callable[[str], None] = lambda step: None,
) -> Contest:
    """Ask both the windows of a sample of bins from `start` to `end`, and some bins once more as if they were new.

    Raises InputError where no window can be scored.
    """
    rng = np.random.default_rng(settings.seed)
    both = {CHALLENGER: challenger, CHAMPION: champion}
    chosen = sampled(history, settings, rng)
    every = pd.Timedelta(hours=settings.every_h)
    ask = partial(backtest, both, start=start, horizons_h=settings.horizons_h, progress=say)
    met = ask(history.select(chosen), end=end, every=every)
    parts = [(met.rows(CHALLENGER), met.rows(CHAMPION))]
    if settings.new_bins:
        say("the same bins as if they were new")
        new = rng.permutation(chosen)[: settings.new_bins].tolist()
        until = min(end, start + COLD_FOR - LEAD)
        played = ask(newcomers(history, new, start), end=until, every=2 * every)
        parts.append((played.rows(CHALLENGER), played.rows(CHAMPION)))
    ours, theirs = (pd.concat(rows, ignore_index=True) for rows in zip(*parts, strict=True))
    real = np.arange(len(ours)) < len(parts[0][0])
    collected = history.select(rng.permutation(chosen)[: settings.replay_bins].tolist())
    return Contest(ours, theirs, ~real, start, end, _replayed(both, collected, start, end, say))


def _replayed(
    both: dict[str, Forecaster],
    history: History,
    start: pd.Timestamp,
    end: pd.Timestamp,
    say: Callable[[str], None],
) -> Replay | str:
    if not len(history.readings):
        return "not asked for"
    say(f"collecting from {len(history.bins.unique)} bins by either")
    try:
        return replay(history, both, start, end)
    except InputError as error:
        return error.found


def sampled(history: History, settings: PromotionSettings, rng: np.random.Generator) -> list[str]:
    """`bins` of the bins with readings at random, and as many more as give each stream its `stream_bins`."""
    ids = history.readings.frame["bin_id"].unique()
    stream = history.bins.unique["stream"].reindex(ids).fillna("mixed")
    place = pd.Series(rng.permutation(len(ids)), index=stream.index)
    of_stream = place.groupby(stream.to_numpy()).rank()
    return sorted(place.index[(place < settings.bins) | (of_stream <= settings.stream_bins)])
