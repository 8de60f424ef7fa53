from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from training.contest import COLD, Contest
from training.promotion_settings import PromotionSettings
from training.replay import Comparison
from training.scorecard import verdict_text
from training.verdict import Verdict, judge

START = pd.Timestamp("2025-01-01T00:00Z")
RULE = PromotionSettings(draws=200)
WHO = ("version 2", "version 1")


def scores(crps: float, seed: int = 0, cover80: float = 0.8, off: float = 0.0) -> pd.DataFrame:
    """Scores of 24 bins, four weeks, two horizons; the last four bins are played as new ones.

    off: by how much p_full is too high.
    """
    index = pd.MultiIndex.from_product([range(24), range(28), [6.0, 24.0]], names=["bin", "day", "horizon_h"])
    made = index.to_frame(index=False)
    rng, hard = np.random.default_rng(seed), np.random.default_rng(99)
    n = len(made)
    made["as_of"] = START + pd.to_timedelta(made["day"], unit="D")
    made["at"] = made["as_of"] + pd.to_timedelta(made["horizon_h"], unit="h")
    made["stream"] = np.where(made["bin"] % 2, "glass", "paper")
    made["level_now"] = np.where(made["day"] % 3, "0-30", "60-90")
    made["known_for"] = np.where(made["bin"] < 20, "180 d or more", COLD)
    made["bin_id"] = "b" + made["bin"].astype(str)
    p = hard.uniform(0, 0.5, n)
    return made.assign(
        crps=crps * hard.gamma(4, 0.5, n) * rng.lognormal(0, 0.05, n),
        cover80=(hard.permutation(n) < cover80 * n).astype(float),
        event=hard.uniform(size=n) < p,
        p_full=p + off,
    )


def verdict(
    ours: pd.DataFrame, theirs: pd.DataFrame, replay: object = "not asked for", rule: PromotionSettings = RULE
) -> Verdict:
    played = (ours["bin"] >= 20).to_numpy()
    return judge(Contest(ours, theirs, played, START, START + pd.Timedelta(days=28), replay), WHO, rule)


def worse(rows: pd.DataFrame, where: pd.Series, by: float) -> pd.DataFrame:
    return rows.assign(crps=np.where(where, rows["crps"] * (1 + by), rows["crps"]))


@dataclass(frozen=True)
class Replayed:
    """A replay in which the challenger needed so many more emptyings."""

    estimate: float
    low: float
    hours: np.ndarray

    def against(self, name: str, reference: str) -> Comparison:
        assert (name, reference) == ("challenger", "champion")
        return Comparison(self.estimate, self.low, 2 * self.estimate - self.low)

    def needed(self, name: str) -> float:
        return 2.0


def test_a_better_challenger_is_promoted() -> None:
    told = verdict(scores(2, 1), scores(2.2, 2))
    assert told.promoted
    assert told.reasons == ()


def test_an_equal_challenger_is_promoted() -> None:
    assert verdict(scores(2), scores(2)).promoted


def test_a_challenger_worse_by_more_than_seeds_differ_is_refused() -> None:
    told = verdict(scores(2 * 1.01, 1), scores(2, 1))
    assert not told.promoted
    assert "CRPS over all windows worse by 1.0%" in told.reasons[0]


def test_a_challenger_that_may_be_far_worse_is_refused_until_more_is_known() -> None:
    ours = scores(2)
    noisy = ours.assign(crps=ours["crps"] * np.where((ours["bin"] // 2 + ours["day"] // 7) % 2, 0.2, 1.8))
    told = verdict(noisy.assign(crps=noisy["crps"] * 0.98), scores(2), rule=RULE.model_copy(update={"slice_margin": 9}))
    assert [check.of for check in told.checks if not check.passed] == ["all windows"]
    assert "too few windows to tell" in told.reasons[0]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("stream", "glass", "stream glass"), ("horizon_h", 6.0, "horizon 6 h"), ("level_now", "60-90", "level now 60-90"),
     ("known_for", COLD, "cold start under 14 days")],
)  # fmt: skip
def test_harm_to_one_slice_is_not_outweighed_by_the_others(column: str, value: object, told: str) -> None:
    ours = scores(1.5, 1)
    harmed = worse(ours, ours[column] == value, 0.6)
    found = verdict(harmed, scores(2, 2))
    assert not found.promoted
    assert any(f"CRPS at {told} worse by" in words for words in found.reasons), found.reasons
    assert found.checks[0].passed


def test_windows_of_bins_played_as_new_count_for_the_cold_start_alone() -> None:
    ours = scores(2, 1)
    told = verdict(worse(ours, ours["bin"] >= 20, 0.5), scores(2, 1))
    assert [check.of for check in told.checks if not check.passed] == ["cold start under 14 days"]


def test_intervals_outside_their_band_are_refused() -> None:
    told = verdict(scores(1.8, cover80=0.6), scores(2))
    assert any("outside 74% to 86%" in words for words in told.reasons), told.reasons


def test_a_streams_intervals_are_refused_where_they_are_surely_outside_a_wider_band() -> None:
    ours = scores(1.8)
    for share, passes in ((0.9, True), (0.97, False)):
        some = np.random.default_rng(3).uniform(size=len(ours)) < share
        told = verdict(ours.assign(cover80=np.where(ours["stream"] == "glass", some, ours["cover80"])), scores(2))
        assert ("surely outside 68% to 92%" not in "".join(told.reasons)) == passes
        assert told.promoted == passes


def test_intervals_no_further_outside_than_the_champions_pass() -> None:
    assert verdict(scores(1.8, cover80=0.69), scores(2, cover80=0.685)).promoted


def test_probabilities_that_are_off_are_refused_unless_the_champions_are_as_well() -> None:
    told = verdict(scores(1.8, off=0.2), scores(2))
    assert [words for words in told.reasons if "probabilities of being full" in words]
    assert verdict(scores(1.8, off=0.2), scores(2, off=0.2)).promoted


def test_a_challenger_that_needs_more_emptyings_surely_or_by_far_is_refused() -> None:
    hours = np.full((10, 4), 168.0)
    told = verdict(scores(1.8), scores(2), Replayed(0.05, 0.02, hours))
    assert told.reasons == (
        "by replay +5.0% emptyings at equal overflow, on 40 bin-weeks, surely more (at least +2.0%)",
    )
    assert not verdict(scores(1.8), scores(2), Replayed(0.12, -0.05, hours)).promoted
    unsure = verdict(scores(1.8), scores(2), Replayed(0.12, -0.3, hours))
    assert unsure.promoted
    assert verdict_text(unsure).splitlines()[len(unsure.checks)].endswith("too few to tell")
    assert verdict(scores(1.8), scores(2), Replayed(0.05, -0.02, hours)).promoted


def test_what_could_not_be_replayed_is_told_and_speaks_against_nobody() -> None:
    told = verdict(scores(1.8), scores(2), "no rounds")
    assert told.promoted
    assert told.checks[-1].words == "Not replayed: no rounds"
    assert "too few to tell" in verdict_text(told).splitlines()[len(told.checks)]


def test_the_table_shows_every_check_and_the_reasons_below_it() -> None:
    ours = scores(2, 1)
    told = verdict(worse(ours, ours["stream"] == "glass", 0.5), scores(2, 2))
    text = verdict_text(told)
    lines = text.splitlines()
    assert len(told.table) == len(told.checks) == 13
    for check, line in zip(told.checks, lines[1:], strict=False):
        assert line.startswith(check.check)
        assert check.of in line
        assert line.endswith("REFUSED") == (not check.passed)
    assert [line[2:] for line in lines if line.startswith("- ")] == list(told.reasons)
    assert "version 2, against version 1" in text
    assert max(map(len, lines[: len(told.checks)])) < 140


def test_metrics_are_finite_and_named_as_mlflow_takes_names() -> None:
    told = verdict(scores(1.8), scores(2)).metrics
    assert told["checks_failed"] == 0
    assert told["CRPS/all windows/change"] == pytest.approx(-0.1)
    assert np.isfinite(list(told.values())).all()
