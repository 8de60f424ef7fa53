import numpy as np
import pandas as pd
import pytest

from data.cleaning import clean, clean_bins
from data.emptyings import Emptyings, find_emptyings
from data.history import History
from data.readings import Readings
from data.simulation import CitySettings, simulate

START = pd.Timestamp("2025-01-01", tz="UTC")
CLEAR_PCT = 25.0
WITHIN = pd.Timedelta(hours=3)


def history(fill: list[float], emptyings: Emptyings | None = None) -> History:
    at = START + pd.to_timedelta(np.arange(len(fill)), "h")
    frame = pd.DataFrame({"bin_id": "a", "measured_at": at, "fill_pct": np.array(fill, dtype=float)})
    return History.of(Readings.checked(frame), emptyings)


def reported(*hours: float) -> Emptyings:
    at = START + pd.to_timedelta(np.array(hours, dtype=float), "h")
    return Emptyings.checked(pd.DataFrame({"bin_id": "a", "emptied_at": at}))


@pytest.fixture(scope="module")
def city() -> tuple[History, pd.DataFrame]:
    """Eighty bins over sixty days with the contract's noise, and when they were truly emptied."""
    told = simulate(CitySettings(bins=80, days=60), np.random.default_rng(11))
    bins, _ = clean_bins(told.bins)
    return History.of(clean(told.readings, bins).readings, None, bins), told.true_emptyings


def unmatched(events: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Those of `events` that have none of `others` of the same bin within three hours."""
    mine = events.sort_values("emptied_at").astype({"emptied_at": "datetime64[us, UTC]"})
    theirs = others[["bin_id", "emptied_at"]].sort_values("emptied_at").astype({"emptied_at": "datetime64[us, UTC]"})
    found = pd.merge_asof(
        mine, theirs.assign(hit=True), on="emptied_at", by="bin_id", direction="nearest", tolerance=WITHIN
    )
    return found[found["hit"].isna()]


def test_of_the_emptyings_that_remove_25_points_97_of_100_are_found(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    clear = truth[truth["fill_before_pct"].clip(upper=100) - truth["fill_after_pct"] >= CLEAR_PCT]
    assert len(clear) > 300
    assert 1 - len(unmatched(clear, find_emptyings(whole).frame)) / len(clear) >= 0.97


def test_of_the_found_emptyings_of_25_points_97_of_100_are_true(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    found = find_emptyings(whole).frame
    clear = found[found["fill_before_pct"] - found["fill_after_pct"] >= CLEAR_PCT]
    assert len(clear) > 300
    assert 1 - len(unmatched(clear, truth)) / len(clear) >= 0.97


def test_emptyings_known_at_a_moment_do_not_change_when_later_readings_come(
    city: tuple[History, pd.DataFrame],
) -> None:
    whole, _ = city
    frame = whole.readings.frame
    ordered = Readings.checked(frame.assign(received_at=frame["measured_at"]))  # nothing comes late
    late = find_emptyings(History.of(ordered, None, whole.bins)).frame
    assert (late["received_at"] >= late["emptied_at"]).all()
    for day in (20, 40.5, 59):
        as_of = pd.Timestamp("2025-01-06", tz="UTC") + pd.Timedelta(days=day)
        then = find_emptyings(History.of(ordered, None, whole.bins).until(as_of)).frame
        known = late[late["received_at"] <= as_of].reset_index(drop=True)
        pd.testing.assert_frame_equal(then, known)


def test_a_detected_emptying_says_when_it_was_known_and_what_it_removed() -> None:
    found = find_emptyings(history([40, 50, 60, 70, 3, 5, 7])).frame
    assert len(found) == 1
    assert found["source"].tolist() == ["detected"]
    assert found["emptied_at"][0] == START + pd.Timedelta(hours=3.5)
    assert found["received_at"][0] == START + pd.Timedelta(hours=5)
    assert found["fill_after_pct"][0] == 3
    assert found["fill_before_pct"][0] == 60


def test_reported_emptyings_win() -> None:
    found = find_emptyings(history([40, 50, 60, 70, 3, 5, 7], reported(3.2))).frame
    assert found["source"].tolist() == ["reported"]
    assert found["emptied_at"][0] == START + pd.Timedelta(hours=3.2)


def test_an_emptying_far_from_every_report_is_detected_beside_them() -> None:
    fill = [40, 50, 60, 70, 3, 5, 7, 20, 30, 40, 50, 60]
    found = find_emptyings(history(fill, reported(10.5))).frame
    assert found["source"].tolist() == ["detected", "reported"]


def test_an_emptying_in_a_long_gap_lies_within_it() -> None:
    at = START + pd.to_timedelta([0, 1, 2, 3, 30, 31, 32], "h")
    frame = pd.DataFrame({"bin_id": "a", "measured_at": at, "fill_pct": [50.0, 60, 70, 80, 3, 4, 5]})
    found = find_emptyings(History.of(Readings.checked(frame))).frame
    assert START + pd.Timedelta(hours=3) <= found["emptied_at"][0] <= START + pd.Timedelta(hours=30)


def test_no_readings_are_no_emptyings() -> None:
    assert len(find_emptyings(history([]))) == 0
    assert len(find_emptyings(history([50]))) == 0
    assert len(find_emptyings(history([100] * 50))) == 0


def test_emptyings_told_twice_are_one() -> None:
    assert len(reported(5, 5, 7)) == 2
