from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training import tracking
from training.candidate import Candidate
from training.model import FillModel
from training.promotion_settings import PromotionSettings
from training.rivals import rivals
from training.tracking import Registered

NAME = "brimcast"
DAY = pd.Timedelta(days=1)
RULE = PromotionSettings(least_days=3)


def entered(candidate: Candidate, settings: Settings) -> Registered:
    return tracking.log(candidate, NAME, settings)


def until(model: FillModel, at: pd.Timestamp) -> FillModel:
    """The same model, said to have learned until another moment."""
    return replace(model, card=model.card | {"trained_until": at.isoformat()})


def end_of(history: History) -> pd.Timestamp:
    assert history.span is not None
    return history.span[1]


def test_windows_begin_where_the_later_of_both_has_learned(
    candidate: Candidate, small_history: History, split: pd.Timestamp, settings: Settings
) -> None:
    older = entered(replace(candidate, model=until(candidate.model, split - 3 * DAY)), settings)
    newer = entered(candidate, settings)
    both = rivals(newer, older, small_history, RULE, settings)
    assert (both.start, both.end) == (split, end_of(small_history))
    assert (both.challenger.until, both.champion.until) == (split, split - 3 * DAY)
    assert not both.challenger.rehearsed
    assert both.challenger.words == f"version 2 (learned until {split:%Y-%m-%d %H:%M} UTC)"


def test_no_more_than_the_newest_weeks_are_asked(
    candidate: Candidate, small_history: History, settings: Settings
) -> None:
    one = entered(candidate, settings)
    rule = PromotionSettings(least_days=3, weeks=0.5)
    both = rivals(one, one, small_history, rule, settings)
    assert both.start == (end_of(small_history) - 3.5 * DAY).ceil("h")


def test_a_version_that_has_learned_from_all_is_judged_by_its_rehearsal(
    candidate: Candidate, small_history: History, split: pd.Timestamp, settings: Settings
) -> None:
    final = until(candidate.model, end_of(small_history))
    fresh = entered(replace(candidate, model=final, rehearsal=candidate.model), settings)
    champion = entered(candidate, settings)
    both = rivals(fresh, champion, small_history, RULE, settings)
    assert both.challenger.rehearsed
    assert both.challenger.until == split
    assert both.challenger.card["trained_until"] == final.card["trained_until"]
    assert "by its rehearsal" in both.challenger.words
    windows = pd.DataFrame({"bin_id": small_history.bins.frame["bin_id"], "as_of": split, "at": split + DAY})
    columns = candidate.model.forecast_windows(small_history, windows).columns.drop("model_version")
    pd.testing.assert_frame_equal(
        both.challenger.model.forecast_windows(small_history, windows)[columns],
        candidate.model.forecast_windows(small_history, windows)[columns],
        check_exact=True,
    )


def test_a_version_without_a_rehearsal_that_has_learned_from_all_cannot_be_judged(
    candidate: Candidate, small_history: History, settings: Settings
) -> None:
    late = entered(replace(candidate, model=until(candidate.model, end_of(small_history) - DAY)), settings)
    with pytest.raises(InputError, match=r"keeps no rehearsal.*--until.*--force"):
        rivals(late, late, small_history, RULE, settings)


def test_readings_of_too_few_days_cannot_judge(
    candidate: Candidate, small_history: History, settings: Settings
) -> None:
    one = entered(candidate, settings)
    few = small_history.since(end_of(small_history) - DAY)
    with pytest.raises(InputError, match="at least 3 days of readings"):
        rivals(one, one, few, RULE, settings)


def test_a_fit_on_everything_keeps_its_rehearsal(candidate: Candidate, rehearsed: Candidate) -> None:
    assert candidate.rehearsal is None  # readings after it were left to score it on
    assert rehearsed.rehearsal is not None
    learned = pd.Timestamp(rehearsed.rehearsal.card["trained_until"])
    assert learned == rehearsed.until - 14 * DAY
