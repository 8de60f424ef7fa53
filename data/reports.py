from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.cycles import Reports
from data.sequences import HOUR_US, MILLI, microseconds, ragged

if TYPE_CHECKING:
    from data.history import History


def known_reports(
    history: History, bin_ids: pd.Index | np.ndarray, as_of: np.ndarray, days: float | np.ndarray | None
) -> Reports:
    """The reported emptyings that were known of bin_ids[s] at as_of[s] (microseconds), of the `days` before.

    Both arrays are (m,), a row a sequence, as in `Archive.sequences`.
    """
    frame = history.emptyings.frame
    frame = frame[frame["source"] == "reported"]
    if not len(frame):
        return Reports.none()
    codes, ids = pd.factorize(frame["bin_id"])
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    code = pd.Index(ids).get_indexer(pd.Index(bin_ids))
    low = np.where(code >= 0, starts[code], 0)
    high = np.where(code >= 0, starts[code + 1], 0)
    rows, seq = ragged(low, high)
    rows = order[rows]
    emptied, heard = microseconds(frame["emptied_at"])[rows], microseconds(frame["received_at"])[rows]
    after = np.nan_to_num(frame["fill_after_pct"].to_numpy(dtype=float)[rows], nan=0.0)
    known = (heard <= as_of[seq]) & (emptied <= as_of[seq])
    if days is not None:
        known &= emptied >= (as_of - (np.asarray(days) * (24 * HOUR_US)).astype(np.int64))[seq]
    return Reports(seq[known], emptied[known], heard[known], np.rint(after[known] * MILLI).astype(np.int64))
