"""When bins can be emptied, and when that is decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from training.opportunities import NEVER, Opportunities, Rounds

LEAD = pd.Timedelta(hours=15)
PRAGUE = np.array(["Europe/Prague"], dtype=object)


def of_prague(rounds: Rounds, start: str, end: str, lead: pd.Timedelta = LEAD) -> Opportunities:
    return rounds.opportunities(np.array(["a"], dtype=object), PRAGUE, pd.Timestamp(start), pd.Timestamp(end), lead)


def times(moments: np.ndarray) -> list[str]:
    return [str(m) for m in moments.astype("datetime64[us]").astype("datetime64[h]")]


def test_rounds_are_at_six_local_time_through_the_clock_change() -> None:
    found = of_prague(Rounds(), "2025-03-28T00:00Z", "2025-03-31T12:00Z")
    assert times(found.at_us[0]) == ["2025-03-29T05", "2025-03-30T04", "2025-03-31T04", "2025-04-01T04"]
    assert times(found.decided_us[0])[0] == "2025-03-28T14"
    assert found.count.tolist() == [3]


def test_nothing_is_decided_before_the_start() -> None:
    found = of_prague(Rounds(), "2025-03-28T16:00Z", "2025-03-31T12:00Z")
    assert times(found.at_us[0])[0] == "2025-03-30T04"


def test_rounds_go_on_the_weekdays_named() -> None:
    found = of_prague(Rounds.named("Mon, wed,fri"), "2025-01-06T00:00Z", "2025-01-17T00:00Z")
    days = pd.DatetimeIndex(found.at_us[0].astype("datetime64[us]")).day_of_week
    assert days.tolist() == [2, 4, 0, 2, 4]
    assert Rounds.named("daily") == Rounds()


@pytest.mark.parametrize("text", ["", "noday", "mon;wed", "daily,mon"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="weekdays"):
        Rounds.named(text)


def test_planned_visits_are_opportunities_of_their_bins_alone() -> None:
    days = ["2025-01-09T09:00Z", "2025-01-08T09:00Z", "2025-01-09T07:00Z", "2025-01-09T07:00Z", "2025-02-01T07:00Z"]
    visits = pd.DataFrame({"bin_id": ["b", "b", "a", "stranger", "b"], "planned_at": pd.to_datetime(days, utc=True)})
    ids, zones = np.array(["a", "b"], dtype=object), np.array(["UTC", "UTC"], dtype=object)
    start, end = pd.Timestamp("2025-01-07T00:00Z"), pd.Timestamp("2025-01-10T00:00Z")
    found = Rounds(visits=visits).opportunities(ids, zones, start, end, LEAD)
    assert found.count.tolist() == [1, 2]
    assert times(found.at_us[1]) == ["2025-01-08T09", "2025-01-09T09", "2025-02-01T07"]  # the last is what comes next
    assert times(found.at_us[0][:2]) == ["2025-01-09T07", "2025-01-10T00"]
    assert found.at_us[0, 2] == NEVER


def test_a_span_without_a_round_is_refused() -> None:
    with pytest.raises(InputError, match="no round"):
        of_prague(Rounds(), "2025-01-06T00:00Z", "2025-01-06T10:00Z")
