from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from data.console import example
from data.durations import duration_of
from data.progress import working
from data.settings import read_settings
from training.arguments import (
    EVERY,
    HORIZONS,
    NAME,
    BinsAt,
    EmptyingsAt,
    Every,
    Horizons,
    Map,
    Name,
    To,
    WeatherAt,
    Zone,
    horizons_of,
    time_of,
)
from training.commands.reading import note, read_history

EXAMPLE = example(
    "brimcast training compare champion challenger baseline:hour-of-week "
    "--readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z"
)


LIVE = {"live", "start", "to"}
"""What may be said with --live: all else is about files, or about windows that nobody asked the service."""


def compare(
    ctx: typer.Context,
    models: Annotated[
        list[str] | None, typer.Argument(help="Two or more of: champion, version:N, a folder, baseline:NAME …")
    ] = None,
    readings: Annotated[str | None, typer.Option(help="Readings: CSV, Parquet or a database URL.")] = None,
    start: Annotated[
        pd.Timestamp | None, typer.Option("--from", parser=time_of, metavar="TIME", help="The first origin.")
    ] = None,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    to: To = None,
    every: Every = EVERY,
    horizons: Horizons = HORIZONS,
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Instead: what a service's champion and the challenger in its shadow have said."),
    ] = False,
) -> None:
    """Compare models side by side on the same windows, each against the first, with confidence intervals.

    Choose --from after what the models have learned from; a warning says where it is not. With --live the forecasts
    are those that the service recorded, by default of the last 14 days, and readings come from its store: besides it
    takes --from and --to alone.
    """
    from training.backtest import backtest as run_backtest
    from training.backtest import check_start
    from training.comparison import compare as compare_rows
    from training.forecasters import check_model, learned_until, resolve
    from training.scorecard import comparison_text

    models = list(dict.fromkeys(models or []))
    if live:
        if without := _given_besides(ctx):
            raise typer.BadParameter(
                f"It compares what the service recorded, so {', '.join(without)} would change nothing. Leave out all "
                "but --from and --to.",
                param_hint="--live",
            )
        print(comparison_text(_recorded(start, to)))
        return
    if readings is None or start is None:
        raise typer.BadParameter("Both are needed, unless --live is given.", param_hint="--readings and --from")
    if len(models) < 2:
        raise typer.BadParameter(
            "One model is nothing to compare. Name two or more different ones.", param_hint="MODEL"
        )
    for model in models:
        check_model(model)
    step, hours = duration_of(every, "--every"), horizons_of(horizons)
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    check_start(history, start, to, learns=False)
    forecasters = {}
    with working("Preparing") as say:
        for model in models:
            say(model)
            forecasters[model] = resolve(model, name, history, start, read_settings())
            learned = learned_until(forecasters[model])
            if learned is not None and learned > start:
                note(f"{model} has learned from readings until {learned}, after --from: its scores flatter it")
    with working("Forecasting") as say:
        result = run_backtest(forecasters, history, start=start, end=to, every=step, horizons_h=hours, progress=say)
    print(comparison_text(compare_rows(result)))


def _given_besides(ctx: typer.Context) -> list[str]:
    """What was named on the command line though it means nothing with --live, as it is written there."""
    named = [param for param in ctx.command.params if param.name not in LIVE]
    sources = [ctx.get_parameter_source(param.name or "") for param in named]
    given = [param for param, source in zip(named, sources, strict=True) if source and source.name == "COMMANDLINE"]
    return [param.opts[0] if param.opts[0].startswith("-") else "MODEL" for param in given]


def _recorded(start: pd.Timestamp | None, to: pd.Timestamp | None) -> pd.DataFrame:
    """The newest champion that was recorded, its shadow and the baseline, on what all three were asked."""
    from data.store import Store
    from training.live_comparison import compare_live
    from training.live_scores import score_store

    settings, now = read_settings(), pd.Timestamp.now("UTC").as_unit("us")
    since = now - pd.Timedelta(days=14) if start is None else start
    with Store(settings.store, migrate=False, wait_s=settings.store_wait_s) as store, working("Scoring") as say:
        rows = score_store(store, since, now, say).rows
    return compare_live(rows if to is None else rows[rows["at"] <= to])
