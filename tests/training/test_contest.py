from __future__ import annotations

import numpy as np
import pandas as pd

from data.history import History
from training.baselines import baseline
from training.contest import COLD, Contest, contest, sampled
from training.model import FillModel
from training.newcomers import newcomers
from training.promotion_settings import PromotionSettings

RULE = PromotionSettings(every_h=12, horizons_h=(6, 24), replay_bins=0)


def met(model: FillModel, history: History, start: pd.Timestamp) -> Contest:
    other = baseline("rate-28d").fit(history, start)
    end = history.span[1] if history.span else start
    return contest(model, other, history, start=start, end=end, settings=RULE)


def test_both_are_scored_on_the_same_windows_in_one_order(
    tiny_model: FillModel, small_history: History, split: pd.Timestamp
) -> None:
    found = met(tiny_model, small_history, split)
    keys = ["bin_id", "as_of", "at", "y"]
    pd.testing.assert_frame_equal(found.challenger[keys], found.champion[keys])
    assert (found.challenger["crps"] != found.champion["crps"]).any()
    assert found.challenger["as_of"].min() >= split


def test_slices_hold_real_windows_and_the_cold_start_holds_played_ones(
    tiny_model: FillModel, small_history: History, split: pd.Timestamp
) -> None:
    found = met(tiny_model, small_history, split)
    groups = found.groups()
    rows = found.challenger
    assert next(iter(groups)) == ("all", "all")
    assert {name for name, _ in groups} == {"all", "stream", "horizon_h", "level_now", "known_for"}
    assert {value for name, value in groups if name == "horizon_h"} == {"6 h", "24 h"}
    for name in ("stream", "horizon_h", "level_now"):
        parts = [of for (kind, _), of in groups.items() if kind == name]
        assert (np.sum(parts, axis=0) == groups[("all", "all")]).all(), name
    cold = groups[("known_for", COLD)]
    assert (cold == found.played).all()  # a city of which all bins are known for weeks
    assert rows.loc[cold, "bin_id"].str.startswith("new ").all()
    assert set(rows.loc[cold, "status"]) <= {"cold_start", "stale", "faulty_sensor"}
    assert (rows.loc[cold, "status"] == "cold_start").mean() > 0.9


def test_newcomers_are_known_bins_under_other_names_and_without_a_past(
    small_history: History, split: pd.Timestamp
) -> None:
    ids = small_history.bins.frame["bin_id"].iloc[:3].tolist()
    new = newcomers(small_history, ids, split)
    assert new.bins.frame["bin_id"].tolist() == [f"new {name}" for name in ids]
    assert new.bins.frame["stream"].tolist() == small_history.bins.frame["stream"].iloc[:3].tolist()
    first, last = new.span or (split, split)
    assert split - pd.Timedelta(days=3) <= first < split
    known = small_history.select(ids).since(first).readings.frame
    pd.testing.assert_series_equal(new.readings.frame["fill_pct"], known["fill_pct"])
    assert last == known["measured_at"].max()


def test_a_sample_holds_bins_of_every_stream(small_history: History) -> None:
    streams = small_history.bins.unique["stream"]
    rule = PromotionSettings(bins=2, stream_bins=1)
    chosen = sampled(small_history, rule, np.random.default_rng(0))
    assert set(streams[chosen]) == set(streams)
    assert len(chosen) <= 2 + streams.nunique()
    assert chosen == sampled(small_history, rule, np.random.default_rng(0))
    assert len(sampled(small_history, PromotionSettings(), np.random.default_rng(0))) == 12
