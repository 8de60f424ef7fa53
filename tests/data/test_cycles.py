import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cycles import Reports, find_cycles
from data.sequences import HOUR_US, Sequences

LEVELS = st.lists(st.integers(0, 100), min_size=1, max_size=25)


def sequence(fill: list[int], step_h: float = 1.0, late: dict[int, float] | None = None) -> Sequences:
    """One bin's readings, `step_h` apart; `late` says by how many hours a reading was heard late."""
    n = len(fill)
    measured = (np.arange(n) * step_h * HOUR_US).astype(np.int64)
    heard = measured.copy()
    for row, hours in (late or {}).items():
        heard[row] += int(hours * HOUR_US)
    return Sequences(np.array([0, n]), np.zeros(n, dtype=int), measured, heard, np.array(fill) * 1000)


def report(*hours: float, after: int = 0) -> Reports:
    emptied = (np.array(hours) * HOUR_US).astype(np.int64)
    return Reports(np.zeros(len(hours), dtype=int), emptied, emptied, np.full(len(hours), after * 1000))


def begins(fill: list[int], step_h: float = 1.0, reports: Reports | None = None) -> list[float]:
    """Hours of the first readings after emptyings."""
    cycles = find_cycles(sequence(fill, step_h), reports)
    return (cycles.sequences.measured[cycles.begins] / HOUR_US).tolist()


def test_a_fall_to_a_low_level_that_stays_is_an_emptying() -> None:
    assert begins([40, 50, 60, 70, 3, 4, 6, 8]) == [4]


def test_a_spike_is_no_emptying() -> None:
    assert begins([40, 41, 42, 43, 3, 44, 45, 46]) == []
    assert begins([4, 5, 6, 70, 6, 7, 8, 9]) == []


def test_one_low_reading_decides_nothing_yet() -> None:
    assert begins([40, 50, 60, 70, 3]) == []


def test_noise_and_settling_are_no_emptyings() -> None:
    assert begins([50, 46, 53, 47, 52, 45, 51, 44, 50]) == []
    assert begins([60, 57, 54, 51, 48, 45, 42, 39]) == []


def test_a_small_emptying_is_seen_where_the_sensor_is_steady() -> None:
    days = [*range(2, 50, 2)] * 4
    quiet = [2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 9, 9, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12, 12]
    assert begins([*days, *quiet, 1, 1, 2, 3])[-1] == len(days) + len(quiet)


def test_a_partial_emptying_is_seen_at_the_hour_at_which_the_bin_is_emptied() -> None:
    days = [*range(2, 50, 2)] * 10
    assert begins([*days, 40, 42, 44])[-1] != len(days)
    assert begins([*days[:-24], *range(40, 88, 2), 30, 32, 34])[-1] == len(days)


def test_a_rise_that_returns_is_no_emptying() -> None:
    days = [*range(2, 50, 2)] * 4
    held = [*days, 2, 4, 6, 8, 10, 12, 60, 61, 62, 63, 64, 65, 24, 26, 28, 30]
    assert begins(held) == [24, 48, 72, 96]


def test_a_fall_that_is_no_emptying_parts_the_readings_all_the_same() -> None:
    days = [*range(2, 50, 2)] * 4
    cycles = find_cycles(sequence([*days, 2, 4, 6, 8, 10, 12, 60, 61, 62, 63, 64, 65, 24, 26, 28, 30]))
    assert np.flatnonzero(cycles.fell).tolist() == [108]
    assert (cycles.cycle[108] - cycles.cycle[107], cycles.begins[108]) == (1, False)


def test_two_emptyings_in_a_row_are_two() -> None:
    assert begins([*range(40, 82, 2), 5, 6, *range(8, 60, 2), 4, 5, 6]) == [21, 49]


def test_a_daily_bin_is_emptied_at_the_first_low_reading() -> None:
    assert begins([20, 40, 60, 80, 5], step_h=24) == [96]


def test_an_emptying_in_a_gap_begins_with_the_first_reading_after_it() -> None:
    cycles = find_cycles(sequence([40, 50, 60, 70, 3, 5, 7]))
    assert np.flatnonzero(cycles.begins).tolist() == [4]
    assert cycles.before[4] == 60_000  # the median of the three before


def test_an_emptying_is_known_when_its_second_low_reading_is_heard() -> None:
    cycles = find_cycles(sequence([40, 50, 60, 70, 3, 5, 7], late={5: 9.0}))
    assert cycles.known[4] == (5 + 9) * HOUR_US
    assert not cycles.reported.any()


def test_a_report_near_a_seen_emptying_is_the_same() -> None:
    assert begins([40, 50, 60, 70, 3, 5, 7], reports=report(3.5)) == [4]
    cycles = find_cycles(sequence([40, 50, 60, 70, 3, 5, 7]), report(3.5))
    assert cycles.reported[cycles.begins].tolist() == [True]


def test_a_report_that_no_reading_shows_still_begins_a_cycle() -> None:
    assert begins([10, 11, 12, 13, 14, 15, 16, 17], reports=report(3.5)) == [4]


def test_a_report_after_the_last_reading_stands_as_a_reading() -> None:
    cycles = find_cycles(sequence([40, 50, 60]), report(5, after=2))
    assert cycles.sequences.fill.tolist() == [40_000, 50_000, 60_000, 2_000]
    assert cycles.begins.tolist() == [False, False, False, True]
    assert cycles.before[3] == 60_000
    assert cycles.cycle.tolist() == [1, 1, 1, 2]


def test_of_several_reports_after_the_last_reading_the_last_stands() -> None:
    cycles = find_cycles(sequence([40, 50, 60]), report(5, 7))
    assert cycles.sequences.measured[-1] == 7 * HOUR_US
    assert cycles.begins.sum() == 1


@pytest.mark.parametrize("reports", [Reports.none(), report(5)])
def test_a_bin_without_readings_has_no_seen_emptying(reports: Reports) -> None:
    empty = np.zeros(0, dtype=np.int64)
    cycles = find_cycles(Sequences(np.array([0, 0]), empty, empty, empty, empty), reports)
    assert cycles.reported.sum() == cycles.begins.sum() == len(reports.seq)


@given(LEVELS, st.integers(1, 25))
def test_a_known_emptying_is_never_revised_by_later_readings(fill: list[int], heard: int) -> None:
    now = find_cycles(sequence(fill[:heard]))
    later = find_cycles(sequence(fill))
    as_of = (min(heard, len(fill)) - 1) * HOUR_US
    told = later.begins & (later.known <= as_of)
    np.testing.assert_array_equal(now.sequences.measured[now.begins], later.sequences.measured[told])
    np.testing.assert_array_equal(now.before[now.begins], later.before[told])
    assert (now.known[now.begins] <= as_of).all()


@given(LEVELS, LEVELS, st.lists(st.integers(0, 30), max_size=3))
def test_bins_do_not_see_each_other(first: list[int], second: list[int], hours: list[int]) -> None:
    parts = [sequence(first), sequence(second)]
    told = sorted(set(hours))
    both = Sequences(
        np.array([0, len(first), len(first) + len(second)]), np.repeat([0, 1], [len(first), len(second)]),
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("measured", "heard", "fill")),
    )  # fmt: skip
    reports = [report(*told), report(*told)]
    joint = Reports(
        np.repeat([0, 1], len(told)),
        *(np.concatenate([getattr(r, name) for r in reports]) for name in ("emptied", "heard", "after")),
    )
    together = find_cycles(both, joint)
    alone = [find_cycles(p, r) for p, r in zip(parts, reports, strict=True)]
    for name in ("begins", "reported"):
        np.testing.assert_array_equal(getattr(together, name), np.concatenate([getattr(c, name) for c in alone]))
    np.testing.assert_array_equal(together.sequences.fill, np.concatenate([c.sequences.fill for c in alone]))
    np.testing.assert_array_equal(together.known[together.begins], np.concatenate([c.known[c.begins] for c in alone]))
