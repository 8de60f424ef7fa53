from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from data.console import check_outputs, example, make_app, run
from data.progress import working
from data.settings import read_settings
from training.arguments import (
    EVERY,
    HORIZONS,
    NAME,
    BinsAt,
    Country,
    EmptyingsAt,
    Every,
    From,
    Horizons,
    Map,
    Name,
    ReadingsAt,
    To,
    Zone,
    duration_of,
    horizons_of,
    time_of,
)

if TYPE_CHECKING:
    from data.history import History
    from training.baselines import Forecaster

# Modules that take long to import are imported where they are used: `--help` answers at once.

app = make_app("training", "Models: fit, backtest, forecast, compare, promote, rollback.")


@app.command(epilog=example("brimcast training fit --readings readings.parquet --bins bins.csv"))
def fit(
    readings: ReadingsAt,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    until: Annotated[
        pd.Timestamp | None,
        typer.Option(parser=time_of, metavar="TIME", help="Learn only from what was heard by then."),
    ] = None,
    name: Name = NAME,
    no_scores: Annotated[
        bool, typer.Option("--no-scores", help="Skip scoring, and the second fit it may need.")
    ] = False,
    country: Country = None,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same model.")] = 0,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Train a model, log it to MLflow and register it as the next version, the challenger.

    Where there is no champion yet, it is the champion too. It is scored on readings after --until where there are
    some, else the same recipe is fitted without the last 14 days and scored on these.
    """
    from training import tracking
    from training.baselines import NAMES
    from training.candidate import fit_candidate
    from training.registry import check_name, enter
    from training.scorecard import card_text, scores_text
    from training.settings import ModelSettings

    check_name(name)
    settings = read_settings(country=country)
    history = _history(readings, bins, emptyings, timezone, map)
    with working("Fitting") as say:
        how = ModelSettings(country=settings.country)
        candidate = fit_candidate(
            history,
            _source(readings),
            until=until,
            seed=seed,
            evaluate=not no_scores,
            against=NAMES,
            settings=how,
            say=say,
        )
        say("logging to MLflow")
        registered = enter(tracking.log(candidate, name, settings), settings)
    print(f"{name} version {registered.version} ({', '.join(registered.aliases)}), run {registered.run_id}")
    if candidate.scores is not None:
        print(f"Scores on {candidate.scored_on}:")
        print(scores_text(candidate.scores))
        print(card_text(candidate.model.card))


@app.command(
    epilog=example("brimcast training backtest --readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z")
)
def backtest(
    readings: ReadingsAt,
    start: From,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    to: To = None,
    every: Every = EVERY,
    horizons: Horizons = HORIZONS,
    out: Annotated[Path | None, typer.Option(help="Every window, its forecasts and what came true: .parquet.")] = None,
    html: Annotated[Path | None, typer.Option(help="A page of charts, to look at in a browser.")] = None,
    country: Country = None,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same scorecard.")] = 0,
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

    check_outputs(out, html)
    if out is not None and out.suffix != ".parquet":
        raise typer.BadParameter(f"{out} is not named .parquet.", param_hint="--out")
    step, hours = duration_of(every), horizons_of(horizons)
    settings = read_settings(country=country)
    history = _history(readings, bins, emptyings, timezone, map)
    check_start(history, start, learns=True)
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


@app.command(
    epilog=example(
        "brimcast training forecast --readings readings.parquet --windows windows.parquet --out forecasts.parquet"
    )
)
def forecast(
    readings: ReadingsAt,
    windows: Annotated[str, typer.Option(help="What to forecast: bin_id, as_of, at.")],
    out: Annotated[Path, typer.Option(help="The forecasts: .parquet, .csv or .csv.gz.")],
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    model: Annotated[
        str, typer.Option(help="champion | challenger | version:N | a folder | baseline:NAME")
    ] = "champion",
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Forecast windows: for each (bin_id, as_of, at) the fill at `at`, from what was heard by `as_of`.

    A baseline is fitted on what was heard before the first as_of.
    """
    from data.outputs import write_table
    from training.forecasters import check_model, resolve
    from training.inputs import read_windows

    check_outputs(out)
    check_model(model)
    asked = read_windows(windows, timezone=timezone)
    history = _history(readings, bins, emptyings, timezone, map)
    with working("Forecasting") as say:
        forecaster = resolve(model, name, history, asked["as_of"].min(), read_settings())
        say(f"{len(asked):,} windows")
        answer = forecaster.forecast_windows(history, asked)
    write_table(answer, out)
    counts = ", ".join(f"{n:,} {status}" for status, n in answer["status"].value_counts().items())
    print(f"{len(answer):,} forecasts in {out}: {counts or 'none'}")


@app.command(
    epilog=example(
        "brimcast training compare champion challenger baseline:hour-of-week "
        "--readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z"
    )
)
def compare(
    models: Annotated[list[str], typer.Argument(help="Two or more of: champion, version:N, a folder, baseline:NAME …")],
    readings: ReadingsAt,
    start: From,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
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
    history = _history(readings, bins, emptyings, timezone, map)
    check_start(history, start, learns=False)
    forecasters = {}
    with working("Preparing") as say:
        for model in models:
            say(model)
            forecasters[model] = resolve(model, name, history, start, read_settings())
            learned = _learned_until(forecasters[model])
            if learned is not None and learned > start:
                _note(f"{model} has learned from readings until {learned}, after --from: its scores flatter it")
    with working("Forecasting") as say:
        result = run_backtest(forecasters, history, start=start, end=to, every=step, horizons_h=hours, progress=say)
    print(comparison_text(compare_rows(result)))


@app.command(epilog=example("brimcast training promote 3"))
def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="Default: the challenger's.")] = None, name: Name = NAME
) -> None:
    """Make a version the champion, which the service loads. The champion before is remembered for `rollback`."""
    from training.registry import promote as do_promote

    champion, before = do_promote(name, version, read_settings())
    if before is None and "champion" in champion.aliases:
        print(f"{name} version {champion.version} is the champion.")
    elif before is not None:
        print(f"{name} version {champion.version} is the champion now, in place of version {before.version}.")


@app.command(epilog=example("brimcast training rollback"))
def rollback(name: Name = NAME) -> None:
    """Make the champion before the last promotion the champion again: one step."""
    from training.registry import rollback as do_rollback

    champion, replaced = do_rollback(name, read_settings())
    print(f"{name} version {champion.version} is the champion again, in place of version {replaced.version}.")


def main(args: Sequence[str] | None = None) -> None:
    """Run `brimcast training`."""
    run(app, args)


def _history(
    readings: str, bins: str | None, emptyings: str | None, timezone: str | None, pairs: list[str] | None
) -> History:
    """Read, clean and say on stderr what was set aside."""
    from data.sources import read_mapping
    from training.inputs import read_history

    with working("Reading"):
        heard = read_history(readings, bins, emptyings, timezone=timezone, mapping=read_mapping(pairs or []))
    for note in heard.notes:
        _note(note)
    return heard.history


def _source(readings: str) -> str:
    """Where readings came from, without a password."""
    if "://" not in readings:
        return str(Path(readings).absolute())
    from data.databases import database_url, shown

    return shown(database_url(readings))


def _note(text: str) -> None:
    print(f"Note: {text}.", file=sys.stderr)


def _learned_until(forecaster: Forecaster) -> pd.Timestamp | None:
    """Until when what it learned from was heard; a baseline fitted here has learned until --from."""
    card = getattr(forecaster, "card", {})
    return pd.Timestamp(card["trained_until"]) if card.get("trained_until") else None
