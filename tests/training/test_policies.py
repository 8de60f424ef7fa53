"""What forecasts say of small risks, and what a policy does where nobody has an idea."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data.history import History
from training.policies import EveryDays, Forecasts, Risk


class Said:
    """A forecaster that says the same of every window, row by row."""

    def __init__(self, p_full: list[float], q90: list[float], q95: list[float]) -> None:
        self.table = pd.DataFrame({"p_full": p_full, "q90": q90, "q95": q95})

    def forecast_windows(self, history: History, windows: pd.DataFrame) -> pd.DataFrame:
        return self.table


def moment(bins: int, overdue: bool = False) -> SimpleNamespace:
    """As much of a moment as a policy of forecasts looks at."""
    hours = np.arange(bins) * 0
    return SimpleNamespace(
        bin_ids=np.array([f"bin-{b}" for b in range(bins)], dtype=object), decided_us=hours, at_us=hours,
        next_us=hours, full_pct=np.full(bins, 95.0), history=None, overdue=np.full(bins, overdue),
    )  # fmt: skip


def chances(p_full: list[float], q90: list[float], q95: list[float]) -> np.ndarray:
    asked = moment(len(p_full))
    return Forecasts(Said(p_full, q90, q95)).p_full(asked, asked.next_us[:, None])[:, 0]  # type: ignore[arg-type]


def test_beyond_q95_the_tail_halves_from_q90_to_q95_and_so_on() -> None:
    # q95 lies 10 points below full: one halving of 10 points, two of 5.
    assert chances([0.0, 0.0], [75.0, 80.0], [85.0, 85.0]) == pytest.approx([0.025, 0.0125])


def test_what_the_forecast_says_is_never_lowered() -> None:
    assert chances([0.6, 0.04], [100.0, 90.0], [100.0, 92.0]) == pytest.approx([0.6, 0.04])


def test_a_forecast_without_numbers_leaves_it_to_the_calendar() -> None:
    silent = Risk(Forecasts(Said([np.nan], [np.nan], [np.nan])), "said", 0.1)
    for overdue in (False, True):
        assert silent.pick(moment(1, overdue)).tolist() == [overdue]  # type: ignore[arg-type]


def test_a_round_a_few_hours_early_is_that_days() -> None:
    asked = SimpleNamespace(at_us=np.array([47, 35, 72]) * 3_600_000_000, emptied_us=np.zeros(3, dtype=np.int64))
    assert EveryDays(2.0).pick(asked).tolist() == [True, False, True]  # type: ignore[arg-type]
