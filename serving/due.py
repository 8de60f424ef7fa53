"""From a due request and the outlook of its bins to those due, most urgent first: plain functions, without HTTP."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.answers import DueAnswer, DueBin, Ignored, Skipped
from serving.forecasts import full_at, named
from serving.messages import HORIZON_MAX_H, DueRequest
from serving.moments import moments, numbers, utc
from serving.outlook import SLACK, Outlook
from serving.problems import wrong

UNANSWERABLE = ("stale", "faulty_sensor", "no_data", "unknown_bin")
"""With these statuses the sensor says nothing that a truck could be sent, or not sent, for: a person must look."""


def due(outlook: Outlook, request: DueRequest, now: pd.Timestamp) -> DueAnswer:
    """The answer of POST /v1/due, whatever its format; `outlook` holds the bins asked."""
    as_of, forecast = outlook.as_of(now), outlook.forecast
    by = deadlines(forecast.bin_ids, request, as_of)
    p_full = forecast.p_full(by, request.full_pct)
    expected = forecast.mean(by)
    safe = forecast.latest_safe(request.risk, request.full_pct)
    volume = outlook.places[:, 2] * expected / 100

    skipped = np.isin(forecast.status.astype(str), UNANSWERABLE)
    why = {i: list(forecast.reasons[i]) or [str(forecast.status[i])] for i in np.flatnonzero(skipped).tolist()}
    answerable = ~skipped & np.isfinite(p_full)
    wanted = answerable & (p_full > request.risk)
    left = wanted & pd.Index(forecast.bin_ids).isin(request.skip)
    why |= {i: [f"left out as asked; full with probability {p_full[i]:.2f}"] for i in np.flatnonzero(left).tolist()}
    wanted &= ~left
    if request.max_volume_l is not None:
        why |= {i: ["max_volume_l needs its capacity_l"] for i in np.flatnonzero(wanted & np.isnan(volume)).tolist()}
        wanted &= ~np.isnan(volume)
    rows = np.flatnonzero(wanted)
    rows = rows[np.lexsort((forecast.bin_ids[rows].astype(str), -expected[rows], -p_full[rows], safe[rows]))]
    chosen = rows[: within(volume[rows], request)]
    return DueAnswer.model_construct(
        as_of=as_of.to_pydatetime(),
        model=named(outlook.champion),
        due=_bins(outlook.take(chosen), p_full[chosen], expected[chosen], volume[chosen], request),
        left_out=len(rows) - len(chosen),
        skipped=[
            Skipped.model_construct(bin_id=str(forecast.bin_ids[i]), status=forecast.status[i], reasons=why[i])
            for i in sorted(why)
        ],
        ignored=ignored(forecast.bin_ids, request, as_of),
    )


def ignored(bin_ids: np.ndarray, request: DueRequest, as_of: pd.Timestamp) -> list[Ignored]:
    """What of `visits` and `skip` had no effect, visits first: bins that are not among `bin_ids`, visits past."""
    visits, skip = _visits(request), pd.Series(request.skip, dtype="str")
    stranger, past = ~visits["bin_id"].isin(bin_ids), visits["at"] < as_of.tz_localize(None)
    unknown = "is not among the bins asked"
    told = [
        *((f"visits/{i}", f"{visits['bin_id'][i]!r} {unknown}") for i in np.flatnonzero(stranger).tolist()),
        *((f"visits/{i}", "lies before as_of") for i in np.flatnonzero(past & ~stranger).tolist()),
        *((f"skip/{i}", f"{skip[i]!r} {unknown}") for i in np.flatnonzero(~skip.isin(bin_ids)).tolist()),
    ]
    return [Ignored.model_construct(pointer=f"#/{place}", detail=detail) for place, detail in told]


def deadlines(bin_ids: np.ndarray, request: DueRequest, as_of: pd.Timestamp) -> np.ndarray:
    """(n,) datetime64[us] UTC: `by`, or the bin's own next visit after as_of. Raises Problem beyond reach."""
    last = as_of + pd.Timedelta(hours=HORIZON_MAX_H) + SLACK
    by = utc(request.by)
    if by < as_of - SLACK:
        raise wrong("by", f"lies before as_of, {as_of.isoformat()}")
    if by > last:
        raise wrong("by", f"lies more than 14 days after as_of, {as_of.isoformat()}; forecasts reach no further")
    moment = np.full(len(bin_ids), np.datetime64(max(by, as_of).tz_localize(None), "us"))
    if not request.visits:
        return moment
    visits = _visits(request)
    end = last.tz_localize(None)
    far = np.flatnonzero(visits["at"] > end)
    if len(far):
        raise wrong(f"visits/{far[0]}/at", "lies more than 14 days ahead; forecasts reach no further")
    coming = visits[visits["at"] >= as_of.tz_localize(None)]  # past visits are emptyings, or were missed
    own = coming.groupby("bin_id")["at"].min().reindex(pd.Index(bin_ids, dtype="str")).to_numpy()
    return np.where(np.isnat(own), moment, own.astype("datetime64[us]"))


def _visits(request: DueRequest) -> pd.DataFrame:
    """The visits sent, in their order: bin_id and at (datetime64[us], UTC without its zone)."""
    at = pd.to_datetime([visit.at for visit in request.visits], utc=True).tz_localize(None).as_unit("us")
    return pd.DataFrame({"bin_id": pd.Series([visit.bin_id for visit in request.visits], dtype="str"), "at": at})


def within(volume_l: np.ndarray, request: DueRequest) -> int:
    """How many of the bins, most urgent first, `limit` and `max_volume_l` allow: the longest run that fits."""
    count = len(volume_l)
    if request.max_volume_l is not None:
        count = int(np.searchsorted(np.cumsum(volume_l), request.max_volume_l, side="right"))
    return count if request.limit is None else min(count, request.limit)


def _bins(
    outlook: Outlook, p_full: np.ndarray, expected: np.ndarray, volume: np.ndarray, request: DueRequest
) -> list[DueBin]:
    forecast = outlook.forecast
    latitude, longitude, capacity_l = outlook.places.T
    columns = {
        "bin_id": [str(bin_id) for bin_id in forecast.bin_ids],
        "as_of": moments(forecast.as_of),
        "status": [str(status) for status in forecast.status],
        "reasons": [list(why) for why in forecast.reasons],
        "fill_now_pct": numbers(forecast.fill_now_pct),
        "p_full": numbers(p_full),
        "expected_fill_pct": numbers(expected),
        "latest_safe_emptying_at": moments(forecast.latest_safe(request.risk, request.full_pct)),
        "full_at": full_at(forecast, request.full_pct),
        "latitude": numbers(latitude),
        "longitude": numbers(longitude),
        "capacity_l": numbers(capacity_l),
        "expected_volume_l": numbers(volume),
    }
    return [
        DueBin.model_construct(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]
