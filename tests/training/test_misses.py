from __future__ import annotations

import numpy as np
import pandas as pd

from training.hindsight import Stretch
from training.misses import what_happened, where_worst, worst_misses


def stretch(levels: dict[float, float], emptied: tuple[float, ...] = ()) -> Stretch:
    hours = np.array(sorted(levels), dtype=float)
    return Stretch(hours, np.array([levels[h] for h in hours]), np.isin(hours, emptied), 1.0)


def flat(level: float, until: int = 36) -> dict[float, float]:
    return {float(h): level for h in range(-36, until)}


def miss(y: float, q50: float, horizon_h: float = 12, status: str = "ok") -> dict[str, object]:
    return {"y": y, "q50": q50, "horizon_h": horizon_h, "status": status}


def test_a_jump_that_returned_is_told_with_when() -> None:
    levels = flat(30) | {float(h): 75.0 for h in range(9, 14)}
    told = what_happened(miss(75, 33), stretch(levels))
    assert told.startswith("A jump of 45 points between two readings 60 minutes apart, that returned 5 h later")


def test_a_lone_spike_explains_nothing_that_stayed() -> None:
    levels = {float(h): 10 + 4.0 * max(h, 0) for h in range(-36, 18)} | {3.0: 100.0}
    told = what_happened(miss(58, 20), stretch(levels))
    assert told == "It rose 48 points in 12 h where 10 were expected."


def test_a_fall_without_an_emptying_is_told() -> None:
    levels = {float(h): 60 - 1.0 * max(h, 0) for h in range(-36, 30)}
    assert what_happened(miss(48, 62), stretch(levels)) == "The level fell by 12 points without an emptying."


def test_a_silent_sensor_is_told_before_and_after_the_forecast() -> None:
    levels = {h: v for h, v in flat(30).items() if not (2 < h < 11)} | {12.0: 31.0}
    assert "Sensor silent for 9 h on the way" in what_happened(miss(31, 31), stretch(levels))
    levels = {h: v for h, v in flat(30).items() if h < -9 or h > 0}
    assert what_happened(miss(30, 34), stretch(levels)).startswith("The newest reading was 10 h old")


def test_a_stuck_value_and_the_status_are_told() -> None:
    told = what_happened(miss(30, 70, status="faulty_sensor"), stretch(flat(30)))
    assert told == "The reading stayed at 30 where 40 more were expected; the sensor was known to be faulty."


def test_a_bin_without_readings_before_is_told() -> None:
    assert what_happened(miss(30, 70), stretch({3.0: 5.0})) == "Nothing was measured before."


def test_of_one_event_only_the_worst_is_shown_and_of_a_bin_at_most_two() -> None:
    at = pd.Timestamp("2025-01-01T00:00Z") + pd.to_timedelta([0, 6, 200, 400, 0], unit="h")
    rows = pd.DataFrame({"bin_id": [*"aaaab"], "at": at, "crps": [50.0, 60, 40, 30, 10]})
    assert worst_misses(rows)["crps"].tolist() == [60, 40, 10]
    assert where_worst(rows) == "Of the 5 worst forecasts 4 are at a and 1 are at b."
