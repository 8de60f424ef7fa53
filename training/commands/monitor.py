from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from data.console import example
from data.errors import BrimcastError, InputError
from data.progress import working
from data.settings import Settings, read_settings
from training.arguments import NAME, BinsAt, EmptyingsAt, Map, Name, WeatherAt, Zone, time_of
from training.commands.reading import named_or_store, read_history, source_of

if TYPE_CHECKING:
    from training.monitoring import Accuracy

EXAMPLE = example(
    "brimcast training monitor --readings readings.parquet --bins bins.csv",
    "brimcast training monitor --json    # of the store, with the forecasts that the service recorded",
)


def monitor(
    readings: Annotated[
        str | None, typer.Option(help="What was heard: CSV, Parquet or a database URL. [default: BRIMCAST_STORE]")
    ] = None,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    at: Annotated[
        pd.Timestamp | None,
        typer.Option(
            parser=time_of, metavar="TIME", help="Watch as of then. [default: now; of files, the last reading]"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    no_log: Annotated[bool, typer.Option("--no-log", help="Log no run to MLflow.")] = False,
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Say whether the champion is to be trained anew: exit 1, with the reasons, if it is.

    Watched are the coverage of its intervals, its skill against the weekday rate, the habits of bins and sensors
    (silence, readings, emptyings, levels) against those that it learned, and bins that it does not know. Accuracy is
    that of the forecasts which the service recorded; where there are none, some are made as of the newest days.
    """
    from json import dumps

    from data.databases import is_store
    from training.forecasters import load_model
    from training.monitor_settings import read_monitor_settings
    from training.monitoring import monitor as watch
    from training.monitoring import report_text
    from training.practice import known_by
    from training.registry import CHAMPION, local_copy
    from training.runs import log_report

    settings, rule = read_settings(), read_monitor_settings()
    source = named_or_store(readings, settings)
    model = load_model(local_copy(name, CHAMPION, settings)[0])
    trained = pd.Timestamp(model.card["trained_until"])
    if at is not None and at < trained:
        raise InputError(
            f"--at is {at:%Y-%m-%d %H:%M} UTC",
            expected=f"a moment after {model.version} was trained, which was until {trained:%Y-%m-%d %H:%M} UTC",
            remedy="Give a later --at, or leave it out.",
        )
    heard = read_history(source, bins, emptyings, weather, timezone, map)
    of_store = is_store(source)
    if at is None:
        at = pd.Timestamp.now("UTC").as_unit("us") if of_store else heard.readings.frame["received_at"].max()
    with working("Watching") as say:
        since = max(at - pd.Timedelta(days=rule.days), trained)
        recorded = _recorded(source, str(model.card["version"]), since, at, settings) if of_store else None
        report = watch(model, known_by(heard, at)[0], recorded, at=at, settings=rule, say=say)
        if not no_log:
            log_report(report, name, heard, source_of(source), settings)
    print(dumps(report.to_json(), indent=1, allow_nan=False) if json else report_text(report))
    if report.reasons:
        raise BrimcastError(f"{report.model} is to be trained anew. {'; '.join(report.reasons)}.")


def _recorded(url: str, version: str, since: pd.Timestamp, at: pd.Timestamp, settings: Settings) -> Accuracy | None:
    """Scores of what the service recorded of this version; None where nothing of it is due."""
    import numpy as np

    from data.given import BASELINE, CHAMPION
    from data.store import Store
    from training.live_scores import score_store
    from training.monitoring import Accuracy
    from training.scores import KEY

    with Store(url, migrate=False, wait_s=settings.store_wait_s) as store:
        rows = score_store(store, since, at).rows
    own = rows[(rows["role"] == CHAMPION) & (rows["model_version"] == version)]
    base = rows[rows["role"] == BASELINE].drop_duplicates(KEY)
    own = own.drop_duplicates(KEY).merge(base[KEY], on=KEY)
    if not len(own):
        return None
    beside = own[KEY].merge(base, on=KEY, how="left")
    own = own.assign(cover50=np.nan)  # nobody asked for it
    return Accuracy(own, beside, f"{len(own):,} forecasts that the service recorded")
