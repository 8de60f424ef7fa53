from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from data.console import example
from data.progress import working
from data.settings import read_settings
from training.arguments import NAME, BinsAt, Country, EmptyingsAt, Map, Name, ReadingsAt, WeatherAt, Zone, time_of
from training.commands.reading import read_history, source_of

EXAMPLE = example("brimcast training fit --readings readings.parquet --bins bins.csv")


def fit(
    readings: ReadingsAt,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
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
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    with working("Fitting") as say:
        how = ModelSettings(country=settings.country)
        candidate = fit_candidate(
            history,
            source_of(readings),
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
