from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from data.console import example
from data.progress import working
from data.settings import read_settings
from training.arguments import (
    EVERY,
    HORIZONS,
    NAME,
    BinsAt,
    EmptyingsAt,
    Every,
    From,
    Horizons,
    Map,
    Name,
    ReadingsAt,
    To,
    WeatherAt,
    Zone,
    duration_of,
    horizons_of,
)
from training.commands.reading import note, read_history

if TYPE_CHECKING:
    from training.baselines import Forecaster

EXAMPLE = example(
    "brimcast training compare champion challenger baseline:hour-of-week "
    "--readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z"
)


def compare(
    models: Annotated[list[str], typer.Argument(help="Two or more of: champion, version:N, a folder, baseline:NAME …")],
    readings: ReadingsAt,
    start: From,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    to: To = None,
    every: Every = EVERY,
    horizons: Horizons = HORIZONS,
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Compare models side by side on the same windows, each against the first, with confidence intervals.

    Choose --from after what the models have learned from; a warning says where it is not.
    """
    from training.backtest import backtest as run_backtest
    from training.backtest import check_start
    from training.comparison import compare as compare_rows
    from training.forecasters import check_model, resolve
    from training.scorecard import comparison_text

    models = list(dict.fromkeys(models))
    if len(models) < 2:
        raise typer.BadParameter(
            "One model is nothing to compare. Name two or more different ones.", param_hint="MODEL"
        )
    for model in models:
        check_model(model)
    step, hours = duration_of(every), horizons_of(horizons)
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    check_start(history, start, learns=False)
    forecasters = {}
    with working("Preparing") as say:
        for model in models:
            say(model)
            forecasters[model] = resolve(model, name, history, start, read_settings())
            learned = _learned_until(forecasters[model])
            if learned is not None and learned > start:
                note(f"{model} has learned from readings until {learned}, after --from: its scores flatter it")
    with working("Forecasting") as say:
        result = run_backtest(forecasters, history, start=start, end=to, every=step, horizons_h=hours, progress=say)
    print(comparison_text(compare_rows(result)))


def _learned_until(forecaster: Forecaster) -> pd.Timestamp | None:
    """Until when what it learned from was heard; a baseline fitted here has learned until --from."""
    card = getattr(forecaster, "card", {})
    return pd.Timestamp(card["trained_until"]) if card.get("trained_until") else None
