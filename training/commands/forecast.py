from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.console import check_outputs, example
from data.progress import working
from data.settings import read_settings
from training.arguments import NAME, BinsAt, EmptyingsAt, Map, Name, ReadingsAt, WeatherAt, Zone
from training.commands.reading import note, read_history

EXAMPLE = example(
    "brimcast training forecast --readings readings.parquet --windows windows.parquet --out forecasts.parquet"
)


def forecast(
    readings: ReadingsAt,
    windows: Annotated[str, typer.Option(help="What to forecast: bin_id, as_of, at.")],
    out: Annotated[Path, typer.Option(help="The forecasts: .parquet, .csv or .csv.gz.")],
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    model: Annotated[
        str, typer.Option(help="champion | challenger | version:N | a folder | baseline:NAME")
    ] = "champion",
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="What lies there if nobody comes, for a truth that knows every emptying; else of windows in which "
            "readings show none.",
        ),
    ] = False,
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Forecast windows: for each (bin_id, as_of, at) the fill at `at`, from what was heard by `as_of`.

    A baseline is fitted on what was heard before the first as_of.
    """
    from data.outputs import check_ending, write_table
    from training.forecasters import BASELINE, check_model, resolve
    from training.inputs import read_windows
    from training.model import FillModel

    check_outputs(out, inputs=(readings, windows, bins, emptyings, weather))
    check_ending(out)
    check_model(model)
    if unattended and model.startswith(BASELINE):
        raise typer.BadParameter(
            "A baseline has one answer only. Name a trained model, or leave --unattended out.",
            param_hint="--unattended",
        )
    asked = read_windows(windows, timezone=timezone)
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    with working("Forecasting") as say:
        forecaster = resolve(model, name, history, asked["as_of"].min(), read_settings())
        say(f"{len(asked):,} windows")
        if isinstance(forecaster, FillModel):
            answer = forecaster.forecast_windows(history, asked, unattended=unattended)
        else:
            answer = forecaster.forecast_windows(history, asked)
    write_table(answer, out)
    counts = ", ".join(f"{n:,} {status}" for status, n in answer["status"].value_counts().items())
    print(f"{len(answer):,} forecasts in {out}: {counts or 'none'}")
    if isinstance(forecaster, FillModel) and not unattended:
        note("They are of windows left alone, as scores are; --unattended tells what lies there if nobody comes")
