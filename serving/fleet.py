"""The fleet in numbers, for whoever watches it: what the worker that is asked keeps of every bin, without the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from serving.due import UNANSWERABLE

if TYPE_CHECKING:
    from serving.live import Live
    from serving.outlook import Outlook

STATUSES = ("ok", "stale", "cold_start", "faulty_sensor", "no_data")
QUANTILES = (0.5, 0.9, 0.99, 1.0)
AHEAD_H = 24
RISK = 0.1


def fleet(live: Live) -> Iterator[Metric]:
    """Gauges of the store, the model that answers and the bins it keeps forecasts of."""
    yield _gauge("brimcast_store_up", "1 if the store answered when asked last, else 0", float(not live.is_down()))
    state = live.kept()
    if state is None:
        return
    champion = state.champion
    told = GaugeMetricFamily("brimcast_model_info", "The model that answers", labels=["name", "version"])
    told.add_metric([champion.name, champion.version], 1)
    yield told
    if until := champion.model.card.get("trained_until"):
        yield _gauge(
            "brimcast_model_trained_until_timestamp_seconds", "The end of what the model learned from",
            pd.Timestamp(until).timestamp(),
        )  # fmt: skip
    yield from state.look(lambda outlook: list(bins(outlook, live.now()))) or []


def bins(outlook: Outlook, now: pd.Timestamp) -> Iterator[Metric]:
    """Gauges of the bins in an outlook, at a moment."""
    forecast = outlook.forecast
    status = forecast.status.astype(str)
    counted = GaugeMetricFamily("brimcast_bins", "Bins by the status of their forecast", labels=["status"])
    for name in STATUSES:
        counted.add_metric([name], float((status == name).sum()))
    yield counted
    ages = _seconds(now, forecast.last_reading_at)
    yield _quantiles("brimcast_newest_reading_age_seconds", "Age of each bin's newest reading, over the fleet", ages)
    made = _seconds(now, forecast.as_of)
    yield _gauge("brimcast_forecast_age_seconds", "Age of the oldest forecast that is kept", float(made.max()))
    due = (forecast.p_full(now + pd.Timedelta(hours=AHEAD_H)) > RISK) & ~np.isin(status, UNANSWERABLE)
    yield _gauge(
        "brimcast_bins_due_24h", f"Bins full within {AHEAD_H} h with a probability above {RISK:g}", float(due.sum())
    )


def _seconds(now: pd.Timestamp, moments: np.ndarray) -> np.ndarray:
    """How long ago these were, (n,); NaN for NaT."""
    ago: np.ndarray = (now - pd.DatetimeIndex(moments).tz_localize("UTC")).total_seconds().to_numpy()
    return ago


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _quantiles(name: str, meaning: str, values: np.ndarray) -> GaugeMetricFamily:
    """A gauge by quantile of the values that are there; without any, no sample."""
    told = GaugeMetricFamily(name, meaning, labels=["quantile"])
    there = values[np.isfinite(values)]
    for quantile in QUANTILES if len(there) else ():
        told.add_metric([f"{quantile:g}"], float(np.quantile(there, quantile)))
    return told
