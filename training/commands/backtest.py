from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.console import check_outputs, example
from data.durations import duration_of
from data.progress import working
from data.settings import read_settings
from training.arguments import (
    EVERY,
    HORIZONS,
    BinsAt,
    Country,
    EmptyingsAt,
    Every,
    From,
    Horizons,
    Map,
    ReadingsAt,
    To,
    WeatherAt,
    Zone,
    horizons_of,
)
from training.commands.reading import read_history

if TYPE_CHECKING:
    from training.baselines import Forecaster

EXAMPLE = example("brimcast training backtest --readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z")


def backtest(
    readings: ReadingsAt,
    start: From,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    to: To = None,
    every: Every = EVERY,
    horizons: Horizons = HORIZONS,
    out: Annotated[Path | None, typer.Option(help="Every window, its forecasts and what came true: .parquet.")] = None,
    html: Annotated[Path | None, typer.Option(help="A page of charts, to look at in a browser.")] = None,
    country: Country = None,
    seed: Annotated[int, typer.Option(min=0, help="The same data and seed give the same scorecard.")] = 0,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Score the model and every baseline on the same windows, from rolling origins.

    All learn from what was heard before --from, and are asked at each origin with what was heard by then.
    """
    from data.outputs import whole
    from training.backtest import backtest as run_backtest
    from training.backtest import check_start
    from training.baselines import NAMES, baseline
    from training.model import FillModel
    from training.scorecard import scorecard_text
    from training.settings import ModelSettings

    check_outputs(out, html, inputs=(readings, bins, emptyings, weather))
    if out is not None and out.suffix != ".parquet":
        raise typer.BadParameter(f"{out} is not named .parquet.", param_hint="--out")
    step, hours = duration_of(every, "--every"), horizons_of(horizons)
    settings = read_settings(country=country)
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    check_start(history, start, to, learns=True)
    forecasters: dict[str, Forecaster] = {}
    with working("Fitting") as say:
        say("the model")
        how = ModelSettings(country=settings.country)
        forecasters["model"] = FillModel.fit(history, until=start, seed=seed, settings=how, progress=say)
        for baseline_name in NAMES:
            say(baseline_name)
            forecasters[baseline_name] = baseline(baseline_name).fit(history, start)
    with working("Forecasting") as say:
        result = run_backtest(
            forecasters,
            history,
            start=start,
            end=to,
            every=step,
            horizons_h=hours,
            country=settings.country,
            progress=say,
        )
    if out is not None:
        with whole(out) as draft:
            result.save(draft)
    if html is not None:
        with whole(html) as draft:
            result.html(draft, history)
    print(scorecard_text(result.scorecard()))
