from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.evidence import evidence, reliability_table
from training.scores import bootstrap_ratio, summary

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-01T00:00Z")


def scored(seed: int, off: float = 1.0, bins: int = 6, days: int = 60) -> pd.DataFrame:
    """Scores of two horizons a day, bins of different error and of different length."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(bins):
        n = days - 4 * k
        as_of = START + pd.to_timedelta(np.repeat(np.arange(n), 2), unit="D")
        horizon = np.tile([6.0, 24.0], n)
        parts.append(pd.DataFrame({"bin_id": f"b{k}", "as_of": as_of, "horizon_h": horizon, "stream": "ab"[k % 2]}))
    rows = pd.concat(parts, ignore_index=True)
    rows["at"] = rows["as_of"] + pd.to_timedelta(rows["horizon_h"], unit="h")
    p = rng.uniform(0, 1, len(rows))
    return rows.assign(
        crps=off * rng.gamma(2, 2, len(rows)),
        mae=1.0,
        bias=0.0,
        cover80=(rng.uniform(size=len(rows)) < 0.8).astype(float),
        cover50=(rng.uniform(size=len(rows)) < 0.5).astype(float),
        width80=20.0,
        missing=False,
        p_full=p,
        event=rng.uniform(size=len(rows)) < p,
        brier=0.1,
        logloss=0.3,
    )


def overall(table: pd.DataFrame) -> pd.Series:
    return table[(table["slice"] == "all") & table["horizon_h"].isna()].iloc[0]


def test_evidence_agrees_with_the_scores_and_the_ratio() -> None:
    ours, other = scored(1), scored(2, off=1.2)
    told = overall(evidence(ours, other, ["stream"], draws=400))
    assert told["crps"] == pytest.approx(summary(ours).loc["overall", "crps"])
    ratio, low, high = bootstrap_ratio(ours, other, np.random.default_rng(0), 400)
    assert told["skill"] == pytest.approx(1 - ratio)
    assert (told["skill_low"], told["skill_high"]) == pytest.approx((1 - high, 1 - low), abs=0.015)


def test_every_slice_and_horizon_has_its_row() -> None:
    table = evidence(scored(1), None, ["stream"], draws=20)
    assert set(zip(table["slice"], table["value"], strict=True)) == {("all", "all"), ("stream", "a"), ("stream", "b")}
    assert table.groupby("value").size().eq(3).all()
    assert table["skill"].isna().all()


def test_a_handful_of_blocks_says_nothing_of_how_sure_a_score_is() -> None:
    few = scored(1, bins=2, days=8)
    told = overall(evidence(few, few.assign(crps=few["crps"] * 2), [], draws=20))
    assert told["skill"] == pytest.approx(0.5)
    assert np.isnan([told["skill_low"], told["cover80_high"]]).all()


def test_a_baseline_without_error_leaves_the_skill_open() -> None:
    told = overall(evidence(scored(1), scored(2, off=0.0), [], draws=20))
    assert np.isnan([told["skill"], told["skill_low"]]).all()
    assert told["crps"] > 0


def test_scores_of_different_windows_are_not_held_against_each_other() -> None:
    with pytest.raises(ValueError, match="different windows"):
        evidence(scored(1), scored(1).iloc[::-1], [])


def test_honest_probabilities_lie_inside_their_bands() -> None:
    table = reliability_table(scored(3, bins=12, days=120))
    assert len(table) == 10
    inside = table["p_mean"].between(table["low"], table["high"])
    assert inside.sum() >= 8
    assert (table["event_rate"] - table["p_mean"]).abs().max() < 0.1
