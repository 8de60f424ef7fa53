from __future__ import annotations

import json

import numpy as np
import pandas as pd

from training.candidate import Candidate
from training.evidence import evidence
from training.model_card import METHOD, description, markdown, weaknesses

START = pd.Timestamp("2025-01-01T00:00Z")


def rows(crps: float, cover80: float = 0.8, seed: int = 0) -> pd.DataFrame:
    """Scores of four bins at two horizons; glass is three times as hard."""
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"day": np.tile(np.arange(60), 8), "bin_id": np.repeat([*"abcd"], 120)})
    made["as_of"] = START + pd.to_timedelta(made.pop("day"), unit="D")
    made["horizon_h"] = np.repeat(np.tile([6.0, 24.0], 4), 60)
    made["at"] = made["as_of"] + pd.to_timedelta(made["horizon_h"], unit="h")
    made["stream"] = np.where(made["bin_id"] > "b", "glass", "paper")
    n = len(made)
    hard = np.where(made["stream"] == "glass", 3, 1)
    p = rng.uniform(size=n)
    return made.assign(
        crps=crps * hard * rng.uniform(0.9, 1.1, n), mae=1.0, bias=0.0, width80=10.0, brier=0.1, logloss=0.3, p_full=p,
        event=rng.uniform(size=n) < p, missing=False, cover50=0.5, cover80=(np.arange(n) % 100 < 100 * cover80) * 1.0,
    )  # fmt: skip


def told(ours: pd.DataFrame, other: pd.DataFrame) -> str:
    return "\n".join(weaknesses(evidence(ours, other, ["stream"], draws=100), ours, "rate-28d"))


def test_weaknesses_name_the_hardest_stream_and_what_always_holds() -> None:
    words = told(rows(2), rows(3, seed=1))
    assert "Hardest stream: glass" in words
    assert "absent an emptying" in words
    assert "rate-28d" not in words


def test_weaknesses_name_where_a_baseline_is_not_beaten() -> None:
    words = told(rows(3), rows(2, seed=1))
    assert "Not surely better than rate-28d at 6 h and 24 h." in words
    assert "Worse than rate-28d at glass (stream) and paper (stream)." in words


def test_weaknesses_name_intervals_that_do_not_hold() -> None:
    assert "paper (stream) 9" in told(rows(2, cover80=0.95), rows(3, seed=1))
    assert "intervals" not in told(rows(2), rows(3, seed=1))


def test_the_card_of_a_fit_holds_its_evidence_as_json(candidate: Candidate) -> None:
    card = json.loads(json.dumps(candidate.model.card, allow_nan=False))
    assert card["scored_on"] == candidate.scored_on
    assert candidate.scores is not None
    assert card["scores"]["crps"] == round(float(candidate.scores["crps"].loc["overall"]), 4)
    assert [row["horizon_h"] for row in card["scores_by_horizon"]] == [6, 12, 24, 48, 72]
    assert set(card["baselines"]) == {"persistence", "rate-28d", "weekday-rate", "hour-of-week"}
    best = min(card["baselines"], key=lambda name: card["baselines"][name]["crps"])
    assert card["skill"]["against"] == best
    assert card["weaknesses"]
    assert card["method"] == list(METHOD)


def test_the_card_reads_as_a_page(candidate: Candidate) -> None:
    text = markdown(candidate.model.card)
    for part in ("Readings from, to", "**Method**", "| all horizons |", "| 24 h |", "baseline hour-of-week", "Skill",
                 "**Known weaknesses**", METHOD[0]):  # fmt: skip
        assert part in text
    assert len(description(candidate.model.card)) < 5000


def test_a_card_without_scores_says_what_it_has() -> None:
    text = description({"trained_until": "2025-01-01", "method": ["It guesses."], "bins": 1200})
    assert text == "- Heard until: 2025-01-01\n- Bins: 1,200\n\n**Method**\n\n- It guesses."
