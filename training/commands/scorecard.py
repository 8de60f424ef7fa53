from __future__ import annotations

from typing import Annotated

import typer

from data.console import example
from data.progress import working
from data.settings import read_settings
from training.commands.reading import note

EXAMPLE = example("brimcast training scorecard --days 14")


def scorecard(
    days: Annotated[float, typer.Option(min=1, max=366, help="Forecasts given so many days ago, or later.")] = 14,
    no_log: Annotated[bool, typer.Option("--no-log", help="Log no days to MLflow.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Score the forecasts that the service gave, as far as they are due; for cron, and what the service itself runs.

    Asks the baseline, and with BRIMCAST_SHADOW the challenger, what the champion answered; keeps the scorecard where
    the service tells it (/v1/scorecard), and logs each whole day to MLflow as a run. The same again changes nothing.
    """
    from json import dumps

    import pandas as pd

    from data.store import Store
    from training.beside import ask_beside, the_baseline
    from training.live_runs import log_days
    from training.live_scorecard import days as whole_days
    from training.live_scorecard import scorecard as told
    from training.live_scorecard import write_scorecard
    from training.live_scores import score_store
    from training.scorecard import live_text
    from training.shadow import ask_challenger

    settings, now = read_settings(), pd.Timestamp.now("UTC").as_unit("us")
    since = now - pd.Timedelta(days=days)
    with Store(settings.store, migrate=False, wait_s=settings.store_wait_s) as store, working("Scoring") as say:
        given = store.given(since, now)
        say("asking the baseline")
        ask_beside(store, given, the_baseline(), now)
        shadow = None
        if settings.shadow:
            say("asking the challenger")
            shadow = ask_challenger(store, given, settings, now)
        scores = score_store(store, since, now, say)
    card = told(scores, since, now) | {"shadow": shadow}
    write_scorecard(card, settings)
    print(dumps(card, indent=2, allow_nan=False) if json else live_text(card))
    if shadow and not shadow["ok"]:
        note(f"The challenger was not asked: {shadow['detail'].rstrip('.')}")
    if not no_log:
        with working("Logging to MLflow"):
            changed = log_days(whole_days(scores, since, now), settings)
        if changed:
            note(f"{changed} days are in MLflow, or newer there than before")
