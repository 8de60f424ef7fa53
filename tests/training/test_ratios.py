from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.ratios import ratios
from training.scores import bootstrap_ratio

START = pd.Timestamp("2025-01-01T00:00Z")
HOW = {"confidence": 0.95, "least_blocks": 10}


def rows(bins: int = 24, days: int = 28) -> pd.DataFrame:
    """Windows of bins of four streams, twice a day, at two horizons; scores to be filled in."""
    made = pd.MultiIndex.from_product([range(bins), range(2 * days), [6.0, 24.0]], names=["bin", "origin", "horizon_h"])
    made = made.to_frame(index=False)
    made["bin_id"] = "b" + made["bin"].astype(str)
    made["as_of"] = START + pd.to_timedelta(12 * made.pop("origin"), unit="h")
    made["at"] = made["as_of"] + pd.to_timedelta(made["horizon_h"], unit="h")
    made["stream"] = np.array(["glass", "paper", "mixed", "plastic"])[made.pop("bin") % 4]
    return made.assign(cover80=1.0)


def pair(rng: np.random.Generator, worse: float = 0.0, at: str = "paper") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two forecasters whose scores differ by chance, but for a stream at which the first is worse."""
    base = rows()
    hard = rng.gamma(4, 1, len(base))
    ours, theirs = (hard * rng.lognormal(0, 0.3, len(base)) for _ in range(2))
    ours = np.where(base["stream"] == at, ours * (1 + worse), ours)
    return base.assign(crps=ours), base.assign(crps=theirs)


def groups(frame: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    all_ = {("all", "all"): np.ones(len(frame), dtype=bool)}
    return all_ | {("stream", s): (frame["stream"] == s).to_numpy() for s in sorted(frame["stream"].unique())}


def of(ours: pd.DataFrame, theirs: pd.DataFrame, draws: int = 300, **how: float) -> pd.DataFrame:
    made = ratios(ours, theirs, groups(ours), draws=draws, rng=np.random.default_rng(0), **(HOW | how))
    return made.set_index("value")


def test_a_forecaster_against_itself_is_equal_everywhere_for_sure() -> None:
    ours, _ = pair(np.random.default_rng(1))
    table = of(ours, ours)
    assert (table[["ratio", "low", "high"]] == 1).all(axis=None)


def test_the_ratio_over_all_windows_is_the_yardsticks() -> None:
    ours, theirs = pair(np.random.default_rng(2))
    told = of(ours, theirs, draws=1000, confidence=0.975).loc["all"]
    ratio, low, high = bootstrap_ratio(ours, theirs, np.random.default_rng(3))
    assert told["ratio"] == pytest.approx(ratio)
    assert (told["low"], told["high"]) == pytest.approx((low, high), abs=0.003)


def test_only_the_stream_that_is_worse_is_surely_worse() -> None:
    table = of(*pair(np.random.default_rng(4), worse=0.2))
    assert table.loc["paper", "low"] > 1.1
    assert (table.drop(index=["all", "paper"])["low"] < 1).all()


def test_many_slices_are_asked_more_carefully_than_one() -> None:
    ours, theirs = pair(np.random.default_rng(5))
    together = of(ours, theirs).loc["paper"]
    one = ours["stream"] == "paper"
    alone = of(ours[one].reset_index(drop=True), theirs[one].reset_index(drop=True)).loc["all"]
    assert together["ratio"] == pytest.approx(alone["ratio"])
    assert together["low"] < alone["low"] < alone["ratio"] < alone["high"] < together["high"]


def test_two_equal_forecasters_are_seldom_told_apart_in_any_slice() -> None:
    """Any of the slices by chance: as seldom as the confidence says, give or take what 60 trials leave open."""
    rng = np.random.default_rng(6)
    wrong = sum((of(*pair(rng), draws=150).iloc[1:]["low"] > 1).any() for _ in range(60))
    assert wrong <= 9  # 5% are 3; more than 9 have a chance of 0.2%


def test_a_slice_of_few_blocks_has_no_bounds() -> None:
    ours, theirs = pair(np.random.default_rng(7))
    few = (ours["bin_id"] == "b0").to_numpy()
    slices = groups(ours) | {("level_now", "90+"): few}
    table = ratios(ours, theirs, slices, draws=100, rng=np.random.default_rng(0), **HOW).set_index("value")
    assert table.loc["90+", "blocks"] == 4
    assert table.loc["90+", ["low", "high"]].isna().all()
    assert np.isfinite(table.loc["90+", "ratio"])


def test_a_change_of_what_is_below_a_point_is_a_share_of_a_point() -> None:
    base = rows()
    assert of(base.assign(crps=0.3), base.assign(crps=0.2))["ratio"].to_numpy() == pytest.approx(1.1)
    assert of(base.assign(crps=3.0), base.assign(crps=2.0))["ratio"].to_numpy() == pytest.approx(1.5)
    assert of(base.assign(crps=0.0), base.assign(crps=0.0))["ratio"].to_numpy() == pytest.approx(1)


def test_coverage_is_told_of_both() -> None:
    ours, theirs = pair(np.random.default_rng(8))
    half = np.random.default_rng(9).permutation(np.arange(len(ours)) % 2).astype(float)
    table = of(ours.assign(cover80=half), theirs)
    assert table.loc["all", "cover"] == pytest.approx(0.5)
    assert table.loc["all", "cover_before"] == 1
    assert 0.47 < table.loc["all", "cover_low"] < 0.5 < table.loc["all", "cover_high"] < 0.53
