"""The due list straight from the store and the champion, for a person or a script at the command line."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

import pandas as pd

from data.errors import InputError
from data.settings import read_settings
from data.store import Store
from serving.champion import Champion, fetch
from serving.due import due
from serving.listing import due_csv, print_due
from serving.live import clock
from serving.messages import DueRequest
from serving.outlook import read_outlook
from serving.problems import Problem


def due_now(
    by: pd.Timestamp,
    risk: float,
    limit: int | None,
    as_of: pd.Timestamp | None,
    kind: Literal["json", "csv", "table"],
) -> None:
    """Print the due list. Raises BrimcastError."""
    settings = read_settings()
    champion = Champion.load(fetch(settings)[0])
    request, now = DueRequest(by=by.to_pydatetime(), risk=risk, limit=limit), clock()
    with Store.of(settings) as store:
        try:
            answer = due(read_outlook(champion, store, None, as_of, now), request, now)
        except Problem as problem:
            raise InputError(
                f"The due list cannot be made ({problem.detail})",
                expected="--by within 14 days of now, or of --as-of",
                remedy="Correct the time.",
            ) from problem
        zones = store.bins().unique["timezone"]
    if kind == "json":
        print(answer.model_dump_json(indent=2))
    elif kind == "csv":
        print(due_csv(answer), end="")
    else:
        print_due(answer, request.by, risk, ZoneInfo(str(zones.mode().iloc[0]) if len(zones) else "UTC"))
