"""Drift on real cities: monthly, what `monitor` would have said four weeks after a training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.conftest import REAL_DATA
from training.inputs import read_history
from training.monitor_settings import MonitorSettings
from training.monitoring import RETRAIN, drift_checks

MONTH = pd.Timedelta(days=28)


def reasons(city: str, start: str, end: str) -> list[tuple[str, str]]:
    """Day and name of every drift."""
    history = read_history(
        str(REAL_DATA / f"{city}_readings.parquet"), str(REAL_DATA / f"{city}_bins.csv"), timezone="UTC"
    ).history
    found = []
    for at in pd.date_range(start, end, freq=MONTH, tz="UTC"):
        checks = drift_checks(history.until(at), at - MONTH, at, MonitorSettings(), np.random.default_rng(0))
        found += [(f"{at:%Y-%m-%d}", check.name) for check in checks if check.outcome == RETRAIN]
    return found


def test_prague_never_drifts_in_thirteen_months() -> None:
    assert reasons("prague", "2024-07-01", "2025-08-01") == []


def test_the_lockdown_of_2020_and_outages_are_all_that_drifts_in_wyndham() -> None:
    found = reasons("wyndham", "2019-04-23", "2021-05-01")
    assert found == [("2020-04-21", "emptying rate"), ("2020-12-29", "silent bins")]
