"""What any model has to beat: the rules that products use, and a plain booster."""

from __future__ import annotations

from typing import Protocol, Self

import pandas as pd

from data.errors import InputError
from data.history import History
from training.quantile_boosters import NAME as BOOSTERS
from training.quantile_boosters import QuantileBoosters
from training.rules import RULES, Rule

NAMES = (*RULES, BOOSTERS)


class Forecaster(Protocol):
    """What forecasts windows: the model and every baseline."""

    def forecast_windows(self, history: History, windows: pd.DataFrame) -> pd.DataFrame:
        """Forecast each window (bin_id, as_of, at): the contract's forecasts table, in the order asked."""
        ...


class Baseline(Forecaster, Protocol):
    """A forecaster that learns from what was heard by `until`."""

    @property
    def name(self) -> str:
        """Its name in the contract."""
        ...

    def fit(self, history: History, until: pd.Timestamp | None = None, seed: int = 0) -> Self:
        """Learn; returns a new one."""
        ...


def baseline(name: str) -> Rule | QuantileBoosters:
    """Make the baseline of that name, not yet fitted. Raises InputError for unknown names."""
    if name == BOOSTERS:
        return QuantileBoosters()
    if name in RULES:
        return Rule(name)
    raise InputError(f"a baseline named {name!r}", expected=", ".join(NAMES), remedy="Choose one of these names.")
