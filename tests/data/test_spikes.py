import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.sequences import HOUR_US, Sequences
from data.spikes import find_spikes

LEVELS = st.lists(st.integers(0, 100), min_size=1, max_size=20)


def sequence(fill: list[int], step_h: float = 1.0) -> Sequences:
    """One bin's readings, `step_h` apart."""
    n = len(fill)
    measured = (np.arange(n) * step_h * HOUR_US).astype(np.int64)
    return Sequences(np.array([0, n]), np.zeros(n, dtype=int), measured, measured, np.array(fill) * 1000)


def marks(fill: list[int], step_h: float = 1.0) -> tuple[list[int], list[int]]:
    spikes, doubtful = find_spikes(sequence(fill, step_h))
    return np.flatnonzero(spikes).tolist(), np.flatnonzero(doubtful).tolist()


def test_one_reading_far_from_both_neighbours_is_a_spike() -> None:
    assert marks([20, 21, 80, 22, 23]) == ([2], [])
    assert marks([60, 61, 5, 61, 62]) == ([2], [])


def test_the_last_reading_is_doubtful_until_the_next_is_heard() -> None:
    assert marks([20, 21, 80]) == ([], [2])
    assert marks([20, 21, 80, 22]) == ([2], [])
    assert marks([20, 21, 80, 81]) == ([], [])


def test_a_fall_that_stays_is_no_spike() -> None:
    assert marks([80, 81, 5, 6, 7]) == ([], [])


def test_small_jumps_are_neither_spikes_nor_doubtful() -> None:
    assert marks([20, 30, 20, 31]) == ([], [])


def test_a_reading_alone_in_its_day_is_no_spike() -> None:
    assert marks([20, 80, 20], step_h=24) == ([], [])
    assert marks([20, 80], step_h=24) == ([], [])


@given(LEVELS)
def test_no_two_neighbours_are_both_spikes_of_one_kind_and_only_the_last_is_doubtful(fill: list[int]) -> None:
    spikes, doubtful = find_spikes(sequence(fill))
    assert not spikes[[0, -1]].any()
    assert not doubtful[:-1].any()
    assert not (spikes & doubtful).any()


@given(LEVELS, st.integers(1, 20))
def test_later_readings_do_not_change_which_earlier_ones_were_spikes(fill: list[int], heard: int) -> None:
    early, _ = find_spikes(sequence(fill[:heard]))
    late, _ = find_spikes(sequence(fill))
    known = min(heard, len(fill)) - 1  # the newest reading is judged only once the next is heard
    np.testing.assert_array_equal(early[:known], late[:known])


@given(LEVELS, LEVELS)
def test_bins_do_not_see_each_other(first: list[int], second: list[int]) -> None:
    both = Sequences(
        np.array([0, len(first), len(first) + len(second)]),
        np.repeat([0, 1], [len(first), len(second)]),
        *(np.concatenate([sequence(first).measured, sequence(second).measured]),) * 2,
        np.array(first + second) * 1000,
    )
    for together, alone in zip(
        find_spikes(both),
        map(np.concatenate, zip(find_spikes(sequence(first)), find_spikes(sequence(second)), strict=True)),
        strict=True,
    ):
        np.testing.assert_array_equal(together, alone)
