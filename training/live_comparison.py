from __future__ import annotations

from functools import reduce

import pandas as pd

from data.errors import InputError
from data.given import BASELINE, CHAMPION, SHADOW
from training.comparison import compare_rows
from training.live_scores import MODEL
from training.scores import KEY


def compare_live(rows: pd.DataFrame) -> pd.DataFrame:
    """The newest champion, the newest shadow and the baseline, each against the champion on what all were asked.

    rows: `LiveScores.rows`. The table is that of `comparison.compare`. Raises InputError where a shadow was not asked,
    or nothing that champion and shadow were both asked has come true.
    """
    named = {f"{role} {version}".strip(): part for role, version, part in _newest(rows)}
    if not any(name.startswith(SHADOW) for name in named) or not any(name.startswith(CHAMPION) for name in named):
        raise InputError(
            f"Of the forecasts recorded that can be scored there are those of {', '.join(named) or 'nobody'}",
            expected="a champion's, and a challenger's of the same bins and moments",
            remedy="Set BRIMCAST_SHADOW=true for the service and wait until forecasts are due; see /v1/scorecard.",
        )
    common = reduce(lambda one, other: one.merge(other, on=KEY), [part[KEY] for part in named.values()])
    if common.empty:
        raise InputError(
            "No bin and moment of which all of " + ", ".join(named) + " were asked has come true",
            expected="forecasts of the newest champion and its shadow that are due",
            remedy="Wait; /v1/scorecard tells how many are not yet due.",
        )
    return compare_rows({name: common.merge(part, on=KEY) for name, part in named.items()})


def _newest(rows: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Of each role the model asked last: role, version and its rows; the champion first."""
    found = []
    for role in (CHAMPION, SHADOW, BASELINE):
        own = rows[rows["role"] == role]
        if len(own):
            last = own.sort_values("as_of", kind="stable")[MODEL].iloc[-1]
            found.append((role, str(last["model_version"]), own[(own[MODEL] == last).all(axis=1)]))
    return found
