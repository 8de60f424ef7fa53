"""What the simple forecasters know of a bin at an origin: its level, its age, and how fast it filled of late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.bins import Bins
from data.history import History
from data.sequences import HOUR_US, microseconds
from training.known import Known, Versions
from training.labels import hindsight_emptyings
from training.weekly import Weekly, local_offset_h, steps

LOOK_BACK_DAYS = 28.0
TRAILING_H = (6.0, 12.0, 24.0, 72.0, 168.0, 672.0)


@dataclass(frozen=True)
class Asked:
    """Windows taken apart into distinct origins, with the bins' facts.

    origin: (m,) each window's origin; bin_id, as_of_us, offset_h (UTC to local): (o,) by origin; horizon_h: (m,);
    known: (o,) whether the bins table names the bin; stream, full_pct: (o,).
    """

    origin: np.ndarray
    horizon_h: np.ndarray
    bin_id: pd.Series
    as_of_us: np.ndarray
    offset_h: np.ndarray
    known: np.ndarray
    stream: np.ndarray
    full_pct: np.ndarray

    @classmethod
    def of(cls, windows: pd.DataFrame, history: History) -> Asked:
        """From a table of bin_id, as_of, at."""
        as_of_us, at_us = microseconds(windows["as_of"]), microseconds(windows["at"])
        bin_code, names = pd.factorize(windows["bin_id"])
        time_code, times = pd.factorize(as_of_us)
        origin, pairs = pd.factorize(bin_code.astype(np.int64) * max(len(times), 1) + time_code)
        owner, moment = np.divmod(np.asarray(pairs, dtype=np.int64), max(len(times), 1))
        ids = pd.Series(pd.Index(names, dtype="str"), dtype="str")
        facts = _facts(history.bins, ids)
        of_origin = np.asarray(times, dtype=np.int64)[moment]
        return cls(
            origin=origin,
            horizon_h=(at_us - as_of_us) / HOUR_US,
            bin_id=ids.iloc[owner].reset_index(drop=True),
            as_of_us=of_origin,
            offset_h=local_offset_h(of_origin, facts["timezone"].to_numpy()[owner]),
            known=facts["known"].to_numpy(bool)[owner],
            stream=facts["stream"].to_numpy()[owner],
            full_pct=facts["full_pct"].to_numpy(float)[owner],
        )


@dataclass(frozen=True)
class States:
    """By origin: level_pct, smooth_pct (median of the last three), age_h, hours since the last emptying seen (or since
    the first reading of four weeks), step_h between readings; risen_pct, seen_h and usual_pct (o, 6) over
    `TRAILING_H`: rise seen absent emptyings, hours it was seen in, rise the weekly profile expects of them.

    Without a reading in four weeks the level is NaN.
    """  # noqa: D205 - the fields are one sentence

    level_pct: np.ndarray
    smooth_pct: np.ndarray
    age_h: np.ndarray
    cycle_h: np.ndarray
    step_h: np.ndarray
    risen_pct: np.ndarray
    seen_h: np.ndarray
    usual_pct: np.ndarray


def states(versions: Versions, profile: Weekly, ids: pd.Series, as_of_us: np.ndarray, offset_h: np.ndarray) -> States:
    """What was known at each origin (bin, moment), from readings heard by then and measured in the 28 days before."""
    n = len(ids)
    one, wide = (np.full((5, n), np.nan), np.zeros((3, n, len(TRAILING_H))))
    code = versions.lines.codes_of(ids)
    found = np.flatnonzero(code >= 0)
    shape = profile.bin_ids.get_indexer(pd.Index(ids))  # -1, the last row, is the fleet's
    for known in versions.known_at(code[found], as_of_us[found], LOOK_BACK_DAYS):
        mine = found[known.first : known.first + len(known.lines.bin_ids)]
        _fill(known, profile, shape[mine], as_of_us[mine] / HOUR_US, offset_h[mine], one, wide, mine)
    return States(one[0], one[1], one[2], one[3], one[4], wide[0], wide[1], wide[2])


def _fill(
    known: Known,
    profile: Weekly,
    shape: np.ndarray,
    as_of_h: np.ndarray,
    offset_h: np.ndarray,
    one: np.ndarray,
    wide: np.ndarray,
    mine: np.ndarray,
) -> None:
    """Write one slice of origins into the columns `one` and `wide`."""
    lines = known.lines
    has = np.flatnonzero(lines.count > 0)
    last, first = lines.bounds[1:][has] - 1, lines.bounds[:-1][has]
    if len(has) == 0:
        return
    value, hours = lines.value, lines.hours
    emptied = hindsight_emptyings(lines)
    cycle_start = np.maximum.accumulate(np.where(emptied, np.arange(len(value)), 0))
    cycle_start = np.maximum(cycle_start[last], first)
    back = [value[np.maximum(last - k, cycle_start)] for k in range(3)]
    to = mine[has]
    one[0, to] = value[last]
    one[1, to] = np.median(np.stack(back), axis=0)
    one[2, to] = as_of_h[has] - hours[last]
    one[3, to] = as_of_h[has] - hours[cycle_start]
    one[4, to] = lines.median_step_h()[has]
    found = steps(lines, emptied)
    owner = lines.code[found.row]
    local = hours[found.row] + offset_h[owner]
    usual = profile.integral(shape[owner], local) - profile.integral(shape[owner], local - found.hours)
    back_h = as_of_h[owner] - hours[found.row]
    for k, reach in enumerate(TRAILING_H):
        inside = back_h <= reach
        for table, what in enumerate((found.rise_pct, found.hours, usual)):
            wide[table, mine, k] = np.bincount(owner[inside], weights=what[inside], minlength=len(mine))


def _facts(bins: Bins, ids: pd.Series) -> pd.DataFrame:
    table = bins.unique.reindex(pd.Index(ids))
    return pd.DataFrame(
        {
            "known": table["timezone"].notna().to_numpy(),
            "timezone": table["timezone"].fillna("UTC").astype(object).to_numpy(),
            "stream": table["stream"].fillna("mixed").astype(object).to_numpy(),
            "full_pct": table["full_pct"].fillna(95.0).to_numpy(float),
        }
    )
