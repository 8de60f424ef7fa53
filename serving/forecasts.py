"""From a forecast request to its answer: plain functions over a model and a history, without HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.history import History
from data.tables import CLOCK_SLACK_MIN
from serving.answers import BinForecast, ForecastAnswer, FullAt, ModelNamed, Point
from serving.messages import ForecastRequest
from serving.moments import moments, numbers, utc
from serving.problems import wrong

if TYPE_CHECKING:
    from data.store import Store
    from serving.champion import Champion
    from training.forecast import FillForecast
    from training.model import FillModel

SLACK = pd.Timedelta(minutes=CLOCK_SLACK_MIN)


def forecasts(champion: Champion, store: Store, request: ForecastRequest, now: pd.Timestamp) -> ForecastAnswer:
    """The answer of POST /v1/forecast."""
    bin_ids = list(dict.fromkeys(request.bin_ids))
    known = recent_history(champion.model, store, bin_ids, request.as_of, now)
    as_of = moment_of(known, request.as_of, now)
    forecast = champion.model.forecast(known.until(as_of), as_of, bin_ids)
    return ForecastAnswer.model_construct(
        as_of=as_of.to_pydatetime(),
        model=named(champion),
        forecasts=told(forecast, as_of, request.horizons_h, request.quantiles, request.full_pct),
    )


def recent_history(
    model: FillModel, store: Store, bin_ids: list[str] | None, as_of: datetime | None, now: pd.Timestamp
) -> History:
    """All that forecasting these bins needs, in one query. Raises Problem where as_of lies ahead."""
    moment = now if as_of is None else utc(as_of)
    if moment > now + SLACK:
        raise wrong("as_of", f"lies ahead of the service's clock, which says {now.isoformat()}")
    return store.history(bin_ids, since=moment - pd.Timedelta(days=model.HISTORY_DAYS))


def moment_of(history: History, as_of: datetime | None, now: pd.Timestamp) -> pd.Timestamp:
    """The moment to forecast as of: the one asked, or now, and then no older than the newest reading known."""
    if as_of is not None:
        return utc(as_of)
    times = history.readings.frame[["measured_at", "received_at"]]
    newest = times.max().max() if len(times) else now
    return min(max(now, newest), now + SLACK)


def named(champion: Champion) -> ModelNamed:
    """The model's name, version and the end of what it was trained on."""
    until = champion.model.card.get("trained_until")
    return ModelNamed(
        name=champion.name,
        version=champion.version,
        trained_until=None if until is None else utc(pd.Timestamp(until)).to_pydatetime(),
    )


def told(
    forecast: FillForecast,
    as_of: pd.Timestamp,
    horizons_h: list[float],
    quantiles: list[float],
    full_pct: float | None,
) -> list[BinForecast]:
    """A FillForecast as the contract words it, one entry per bin."""
    n = len(forecast)
    points: list[list[Point]] = [[] for _ in range(n)]
    keys = [f"{level:g}" for level in quantiles]
    for horizon_h in horizons_h:
        at = as_of + pd.Timedelta(hours=horizon_h)
        levels = np.asarray(forecast.quantiles(quantiles, at))
        columns = [numbers(levels[:, k]) for k in range(len(keys))]
        mean, p_full = numbers(forecast.mean(at)), numbers(forecast.p_full(at, full_pct))
        moment = at.to_pydatetime()
        for i, shown in enumerate(zip(*columns, strict=True)):
            points[i].append(
                Point.model_construct(
                    at=moment,
                    horizon_h=horizon_h,
                    mean=mean[i],
                    quantiles=dict(zip(keys, shown, strict=True)),
                    p_full=p_full[i],
                )
            )
    last, now_pct, full = moments(forecast.last_reading_at), numbers(forecast.fill_now_pct), full_at(forecast, full_pct)
    return [
        BinForecast.model_construct(
            bin_id=str(bin_id),
            status=forecast.status[i],
            reasons=list(forecast.reasons[i]),
            last_reading_at=last[i],
            fill_now_pct=now_pct[i],
            points=points[i],
            full_at=full[i],
        )
        for i, bin_id in enumerate(forecast.bin_ids)
    ]


def full_at(forecast: FillForecast, full_pct: float | None) -> list[FullAt]:
    """For each bin the moments by which it is full with probability 0.1, 0.5 and 0.9."""
    p10, p50, p90 = (moments(forecast.full_at(p, full_pct)) for p in (0.1, 0.5, 0.9))
    return [
        FullAt.model_construct(p10=early, p50=middle, p90=late)
        for early, middle, late in zip(p10, p50, p90, strict=True)
    ]
