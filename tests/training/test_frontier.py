"""The fewest emptyings at an overflow allowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from training.frontier import least


def at(overflow: list[float], emptyings: list[float], allowed: float) -> float:
    return float(least(np.array([overflow]), np.array([emptyings]), np.array([[allowed]]))[0, 0])


def test_between_two_members_lies_their_mixture() -> None:
    assert at([0, 4], [7, 3], 1) == pytest.approx(6)


def test_a_member_above_the_chord_of_others_does_not_count() -> None:
    assert at([0, 1, 2], [7, 6.9, 3], 1) == pytest.approx(5)


def test_who_may_overflow_more_need_not() -> None:
    assert at([0, 1, 2], [7, 2, 3], 5) == pytest.approx(2)


def test_less_overflow_than_any_member_has_is_out_of_reach() -> None:
    assert np.isnan(at([1, 2], [7, 3], 0.5))


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=4, max_size=12, unique=True), st.floats(0, 1))
def test_it_is_the_lower_convex_hull(points: list[tuple[float, float]], share: float) -> None:
    cloud = np.round(np.array([*points, (0.0, 10.0), (10.0, 0.0), (10.0, 10.0)]), 3)
    x = float(share * 10)
    hull = ConvexHull(cloud)
    with np.errstate(divide="ignore", invalid="ignore"):
        faces = [(-d - a * x) / b for a, b, d in hull.equations if b < -1e-9]
    assert at(cloud[:, 0].tolist(), cloud[:, 1].tolist(), x) == pytest.approx(max(faces), abs=1e-6)
