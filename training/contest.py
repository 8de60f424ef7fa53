"""Challenger and champion on the same windows, which neither has learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from data.history import History
from training.backtest import backtest
from training.baselines import Forecaster
from training.newcomers import LEAD, newcomers
from training.promotion_settings import PromotionSettings
from training.slices import KNOWN_NAMES

COLD = KNOWN_NAMES[0]
COLD_FOR = pd.Timedelta(days=14)


@dataclass(frozen=True)
class Contest:
    """Both rivals' `Backtest.rows` of the same windows, in the same order, from `start` to `end`.

    The last rows, where `played`, are of bins played as new ones: they count for the cold start alone.
    """

    challenger: pd.DataFrame
    champion: pd.DataFrame
    played: np.ndarray
    start: pd.Timestamp
    end: pd.Timestamp

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
    both = {"challenger": challenger, "champion": champion}
    chosen = sampled(history, settings, rng)
    every = pd.Timedelta(hours=settings.every_h)
    ask = partial(backtest, both, start=start, horizons_h=settings.horizons_h, progress=say)
    met = ask(history.select(chosen), end=end, every=every)
    parts = [(met.rows("challenger"), met.rows("champion"))]
    if settings.new_bins:
        say("the same bins as if they were new")
        new = rng.permutation(chosen)[: settings.new_bins].tolist()
        until = min(end, start + COLD_FOR - LEAD)
        played = ask(newcomers(history, new, start), end=until, every=2 * every)
        parts.append((played.rows("challenger"), played.rows("champion")))
    ours, theirs = (pd.concat(rows, ignore_index=True) for rows in zip(*parts, strict=True))
    return Contest(ours, theirs, np.arange(len(ours)) >= len(parts[0][0]), start, end)


def sampled(history: History, settings: PromotionSettings, rng: np.random.Generator) -> list[str]:
    """`bins` of the bins with readings at random, and as many more as give each stream its `stream_bins`."""
    ids = history.readings.frame["bin_id"].unique()
    stream = history.bins.unique["stream"].reindex(ids).fillna("mixed")
    place = pd.Series(rng.permutation(len(ids)), index=stream.index)
    of_stream = place.groupby(stream.to_numpy()).rank()
    return sorted(place.index[(place < settings.bins) | (of_stream <= settings.stream_bins)])
