"""From a forecast request and the outlook of its bins to the answer: plain functions, without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from serving.answers import BinForecast, ForecastAnswer, FullAt, ModelNamed, Point
from serving.messages import MAX_POINTS, ForecastRequest
from serving.moments import moments, numbers, utc
from serving.problems import wrong

if TYPE_CHECKING:
    from serving.champion import Champion
    from serving.outlook import Outlook
    from training.forecast import FillForecast


def check_size(request: ForecastRequest) -> None:
    """Refuse, before anything is read, what would be too long an answer. Raises Problem 400."""
    points = len(request.bin_ids) * len(request.horizons_h)
    if points > MAX_POINTS:
        raise wrong("horizons_h", f"{points:,} bins times horizons are asked for; at most {MAX_POINTS:,} at a time")


def forecasts(outlook: Outlook, request: ForecastRequest, now: pd.Timestamp) -> ForecastAnswer:
    """The answer of POST /v1/forecast; `outlook` holds the bins asked, in their order."""
    as_of = outlook.as_of(now)
    return ForecastAnswer.model_construct(
        as_of=as_of.to_pydatetime(),
        model=named(outlook.champion),
        forecasts=told(outlook.forecast, as_of, request.horizons_h, request.quantiles, request.full_pct),
    )


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
    keys = [str(float(level)) for level in quantiles]
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
    made = moments(forecast.as_of)
    return [
        BinForecast.model_construct(
            bin_id=str(bin_id),
            as_of=made[i],
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
