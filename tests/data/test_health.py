import numpy as np
import pandas as pd
import pytest

from data.health import sensor_health
from data.history import History
from data.readings import Readings

START = pd.Timestamp("2025-03-03", tz="UTC")
AS_OF = START + pd.Timedelta(days=10)
HOURS = 240


def health(fill: np.ndarray, hours: np.ndarray | None = None, as_of: pd.Timestamp = AS_OF) -> pd.Series:
    """What is said of one bin with these readings, hourly unless `hours` says else."""
    at = START + pd.to_timedelta(np.arange(len(fill)) if hours is None else hours, "h")
    readings = Readings.checked(pd.DataFrame({"bin_id": "a", "measured_at": at, "fill_pct": np.asarray(fill, float)}))
    return sensor_health(History.of(readings), as_of).iloc[0]


def sawtooth(n: int = HOURS + 1, every: int = 80) -> np.ndarray:
    """A point an hour, emptied every 80 hours."""
    return (np.arange(n) % every).astype(float)


def test_a_bin_that_fills_and_is_emptied_is_well() -> None:
    found = health(sawtooth())
    assert found["status"] == "ok"
    assert found["reasons"] == ""
    assert found["last_reading_at"] == AS_OF
    assert found["step_h"] == 1


def test_a_silent_sensor_is_stale_and_says_for_how_long() -> None:
    found = health(sawtooth()[:200])
    assert found["status"] == "stale"
    assert "41 h old" in found["reasons"]


def test_a_bin_that_reports_once_a_day_is_not_silent_after_a_day() -> None:
    hours = np.arange(0, HOURS, 24)
    assert health(hours * 0.3, hours)["status"] == "ok"
    assert health(hours * 0.3, hours, AS_OF + pd.Timedelta(days=3))["status"] == "stale"


def test_a_value_that_stays_while_the_bin_should_fill_is_stuck() -> None:
    fill = sawtooth()
    fill[190:] = fill[190]
    found = health(fill)
    assert found["status"] == "faulty_sensor"
    assert found["reasons"].startswith("stuck: the same value for 50 h")


@pytest.mark.parametrize("value", [0.0, 42.0])
def test_a_sensor_that_never_moved_in_three_weeks_is_stuck(value: float) -> None:
    found = health(np.full(22 * 24, value), as_of=START + pd.Timedelta(days=22))
    assert found["status"] == "faulty_sensor"
    assert "no other was heard" in found["reasons"]
    assert health(np.full(20 * 24, value), as_of=START + pd.Timedelta(days=20))["status"] == "ok"
    assert health(np.full(22, value), np.arange(22) * 24, START + pd.Timedelta(days=22))["status"] == "ok"  # too few


def test_a_bin_that_hardly_fills_is_not_stuck() -> None:
    assert health(np.floor(np.arange(HOURS + 1) / 100))["status"] == "ok"


def test_a_bin_that_stays_full_is_not_stuck() -> None:
    assert health(np.minimum(np.arange(HOURS + 1), 100))["status"] == "ok"


def test_a_sensor_that_jumps_without_emptyings_is_erratic() -> None:
    rng = np.random.default_rng(3)
    found = health(rng.uniform(0, 90, HOURS + 1).round())
    assert found["status"] == "faulty_sensor"
    assert "erratic" in found["reasons"]


@pytest.mark.parametrize("value", [-4.0, 150.0])
def test_a_sensor_far_off_the_scale_is_faulty(value: float) -> None:
    fill = sawtooth()
    fill[100::3] = value
    found = health(fill)
    assert found["status"] == "faulty_sensor"
    assert "out of scale" in found["reasons"]


def test_a_sensor_that_tells_fractions_is_out_of_scale() -> None:
    found = health(sawtooth() / 100)
    assert found["status"] == "faulty_sensor"
    assert "fractions" in found["reasons"]


def test_a_bin_that_is_nearly_empty_tells_no_fractions() -> None:
    rng = np.random.default_rng(0)
    assert health(rng.integers(0, 2, HOURS + 1))["status"] == "ok"  # whole percents
    assert health(np.clip(rng.normal(0.3, 0.5, HOURS + 1), 0, 2))["status"] == "ok"  # noise beyond one percent


def test_a_bin_without_a_recent_reading_has_no_data() -> None:
    assert health(sawtooth(), as_of=AS_OF + pd.Timedelta(days=29))["status"] == "no_data"


def test_bins_asked_come_in_the_order_asked_and_unknown_ones_have_no_data() -> None:
    at = START + pd.to_timedelta(np.arange(50), "h")
    frame = pd.concat([pd.DataFrame({"bin_id": b, "measured_at": at, "fill_pct": sawtooth(50)}) for b in "ab"])
    history = History.of(Readings.checked(frame))
    found = sensor_health(history, START + pd.Timedelta(hours=49), ["b", "nobody", "a"])
    assert found["bin_id"].tolist() == ["b", "nobody", "a"]
    assert found["status"].tolist() == ["ok", "no_data", "ok"]
    assert found["last_reading_at"].isna().tolist() == [False, True, False]


def test_what_was_heard_later_does_not_change_the_health_of_before() -> None:
    fill = sawtooth()
    fill[100:130] = fill[100]
    early = START + pd.Timedelta(hours=128)
    assert health(fill, as_of=early).drop("reasons").equals(health(fill[:129], as_of=early).drop("reasons"))
    assert health(fill, as_of=early)["status"] == "faulty_sensor"


def test_a_sensor_is_stuck_when_it_never_stayed_still_so_long() -> None:
    rng = np.random.default_rng(5)
    fill = np.clip(20 + np.arange(HOURS + 1) * 0.02 + rng.normal(0, 2, HOURS + 1), 0, 100).round()
    fill[210:] = fill[210]
    found = health(fill)
    assert found["status"] == "faulty_sensor"
    assert "far longer than ever" in found["reasons"]


def test_a_full_bin_is_stuck_only_when_many_emptyings_are_overdue() -> None:
    weeks = np.minimum((np.arange(28 * 24 + 1) % 24) * 5.0, 100)  # full every evening, emptied every midnight
    hours = np.arange(28 * 24 + 1)
    full = weeks.copy()
    full[-72:] = 100
    assert health(full, hours, START + pd.Timedelta(days=28))["status"] == "ok"
    full[-240:] = 100
    assert health(full, hours, START + pd.Timedelta(days=28))["status"] == "faulty_sensor"


def test_echoes_that_jump_up_and_return_are_erratic_though_each_return_looks_like_an_emptying() -> None:
    fill = 5 + np.arange(HOURS + 1) * 0.05
    for begin in (200, 207, 214, 221, 228, 235):
        fill[begin : begin + 3] += 40
    found = health(fill.round())
    assert found["status"] == "faulty_sensor"
    assert "jumps that are no deposit or emptying" in found["reasons"]
    assert found["jumps"] == 12


def test_a_lone_spike_is_one_jump() -> None:
    fill = 0.4 * sawtooth(every=400)
    fill[[180, 230]] = 5
    found = health(fill)
    assert found["jumps"] == 2
    assert found["status"] == "ok"


def test_a_plateau_that_sinks_and_rises_without_emptyings_is_erratic() -> None:
    hours = np.arange(0, 28 * 24, 2)
    fill = 55 + 12 * np.sin(2 * np.pi * hours / (24 * 6))
    found = health(fill.round(), hours, START + pd.Timedelta(hours=28 * 24))
    assert found["status"] == "faulty_sensor"
    assert "erratic" in found["reasons"]


def test_emptying_twice_a_day_and_heavy_deposits_are_not_erratic() -> None:
    hours = np.arange(28 * 24 + 1)
    fill = (hours % 12) * 8.0
    assert health(fill, hours, START + pd.Timedelta(days=28))["status"] == "ok"


def test_health_is_the_same_alone_as_among_others() -> None:
    rng = np.random.default_rng(1)
    at = START + pd.to_timedelta(np.arange(HOURS), "h")
    fills = {
        "jumps": np.where(rng.random(HOURS) < 0.3, rng.uniform(0, 100, HOURS), 30),
        "well": sawtooth(HOURS),
        "stuck": np.minimum(np.arange(HOURS), 50) * 1.0,
        "short": sawtooth(HOURS)[:1],
    }
    frame = pd.concat(
        [pd.DataFrame({"bin_id": b, "measured_at": at[: len(x)], "fill_pct": x.round()}) for b, x in fills.items()]
    )
    history = History.of(Readings.checked(frame))
    together = sensor_health(history, AS_OF, [*fills, "nobody"])
    alone = [sensor_health(history, AS_OF, [b]) for b in [*fills, "nobody"]]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), check_exact=True)
