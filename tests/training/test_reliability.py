from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibration import EVERYONE
from training.grid import LEARNED, p_full, with_ends
from training.lookup import UNKNOWN
from training.reliability import Reliability

WEEK_US = 7 * 24 * 3_600_000_000
ROWS = 40_000
BELOW, ABOVE = 60.0, 98.0


def leaping(chance: np.ndarray) -> np.ndarray:
    """(k, 13) quantiles of levels that are around 60, but with this chance (k,) about the rim."""
    left = np.maximum(1 - chance, 1e-9)[:, None]
    return np.where(left > LEARNED, BELOW + 20 * LEARNED / left, ABOVE + LEARNED - left)


def learned(true_over_told: float, streams: tuple[str, ...] = ("paper",)) -> Reliability:
    rng = np.random.default_rng(3)
    told = rng.uniform(0.02, 0.4, ROWS)
    truth = np.where(rng.random(ROWS) < true_over_told * told, 100.0, 50.0)
    return Reliability.learn(
        truth, leaping(told), np.resize(np.array(streams, dtype=object), ROWS), rng.choice([6.0, 24.0, 72.0], ROWS),
        np.arange(ROWS) % 50, (np.arange(ROWS) // 400) * WEEK_US,
    )  # fmt: skip


def told_after(
    reliability: Reliability, chance: list[float], stream: str = "paper", horizon_h: float = 24.0
) -> np.ndarray:
    rows = np.full(len(chance), stream, dtype=object), np.full(len(chance), horizon_h)
    made = reliability.apply(leaping(np.array(chance)), *rows)
    return p_full(with_ends(made))


def test_risks_that_were_told_too_small_are_told_as_they_came_true() -> None:
    before = told_after(Reliability.identity(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(told_after(learned(1.8), [0.1, 0.2, 0.3]), 1.8 * before, atol=0.06)


def test_risks_that_were_told_rightly_are_hardly_changed() -> None:
    before = told_after(Reliability.identity(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(told_after(learned(1.0), [0.1, 0.2, 0.3]), before, atol=0.02)


def test_half_a_correction_is_half_of_it() -> None:
    whole = learned(1.8)
    none, half, all_of_it = (told_after(whole.softened(share), [0.2])[0] for share in (0.0, 0.5, 1.0))
    assert half == pytest.approx((none + all_of_it) / 2, abs=0.01)


def test_a_level_that_never_comes_near_the_rim_keeps_every_digit() -> None:
    low = leaping(np.zeros(3))
    rows = np.full(3, "paper", dtype=object), np.full(3, 24.0)
    np.testing.assert_array_equal(learned(1.8).apply(low, *rows), low)


def test_what_lies_below_the_rim_keeps_its_shape() -> None:
    before = leaping(np.array([0.2]))
    made = learned(1.8).apply(before, np.array(["paper"], dtype=object), np.array([24.0]))
    below = made[0] < 79
    share_of_below = (made[0, below] - BELOW) / 20  # the told distribution is even there
    seen = 1 - p_full(with_ends(made))[0]
    np.testing.assert_allclose(share_of_below, LEARNED[below] / seen, atol=0.03)


def test_risks_of_a_horizon_are_set_right_by_what_came_of_it() -> None:
    rng = np.random.default_rng(5)
    told, horizon_h = rng.uniform(0.02, 0.4, ROWS), rng.choice([6.0, 72.0], ROWS)
    truth = np.where(rng.random(ROWS) < np.where(horizon_h == 72, 2.0, 1.0) * told, 100.0, 50.0)
    stream = np.full(ROWS, "paper", dtype=object)
    rel = Reliability.learn(
        truth, leaping(told), stream, horizon_h, np.arange(ROWS) % 50, (np.arange(ROWS) // 400) * WEEK_US
    )
    before = told_after(Reliability.identity(), [0.2])
    assert told_after(rel, [0.2], horizon_h=6.0) == pytest.approx(before, abs=0.04)
    assert (told_after(rel, [0.2], horizon_h=72.0) > before + 0.12).all()


def test_a_stream_that_was_not_held_back_is_treated_as_all_or_as_who_played_one() -> None:
    learned_of_all = learned(1.8, streams=("paper", "glass")).curves
    same = np.array([[0.0, 1], [0, 1]])

    def curves(of: str, name: str) -> dict[tuple[str, int], np.ndarray]:
        return {(name, b): same if of == "nothing" else learned_of_all[of, b] for b in range(5)}

    unchanged = told_after(Reliability.identity(), [0.2])
    everyone = curves(EVERYONE, EVERYONE)
    as_all = told_after(Reliability({**everyone, **curves("nothing", "paper")}), [0.2], "organic")
    np.testing.assert_array_equal(as_all, told_after(Reliability(curves(EVERYONE, "organic")), [0.2], "organic"))
    assert (as_all > unchanged + 0.1).all()
    as_played = told_after(Reliability({**everyone, **curves("nothing", UNKNOWN)}), [0.2], "organic")
    np.testing.assert_allclose(as_played, unchanged, atol=1e-9)


def test_few_weeks_change_little() -> None:
    told = np.full(200, 0.2)
    truth = np.where(np.arange(200) % 2, 100.0, 50.0)
    stream = np.full(200, "paper", dtype=object)
    few = Reliability.learn(truth, leaping(told), stream, np.full(200, 24.0), np.zeros(200), np.zeros(200))
    before = told_after(Reliability.identity(), [0.2])[0]
    assert before < told_after(few, [0.2])[0] < before + 0.08


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_quantiles_set_right_never_cross_nor_leave_their_range_nor_hang_on_other_rows(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.clip(np.sort(rng.uniform(-10, 130, (rows, 13)), axis=1), 0, 100)
    stream = rng.choice(np.array(["a", "b"], dtype=object), rows)
    horizon_h = rng.uniform(0, 72, rows)
    rel = Reliability.learn(
        rng.uniform(60, 100, rows), quantiles, stream, horizon_h, rng.integers(0, 5, rows),
        rng.integers(0, 50, rows) * WEEK_US,
    )  # fmt: skip
    made = rel.apply(quantiles, stream, horizon_h)
    assert (np.diff(made, axis=1) >= -1e-9).all()
    ends = with_ends(quantiles)
    assert (made >= ends[:, :1] - 1e-9).all()
    assert (made <= ends[:, -1:] + 1e-9).all()
    one = [slice(k, k + 1) for k in range(rows)]
    alone = np.vstack([rel.apply(quantiles[k], stream[k], horizon_h[k]) for k in one])
    np.testing.assert_array_equal(made, alone)


def test_it_comes_back_from_json_the_same() -> None:
    rel = learned(1.4, streams=("paper", "glass"))
    again = Reliability.from_json(json.loads(json.dumps(rel.to_json())))
    np.testing.assert_array_equal(told_after(again, [0.1, 0.3], "glass"), told_after(rel, [0.1, 0.3], "glass"))
