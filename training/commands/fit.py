from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from data.console import example
from data.errors import BrimcastError, InputError
from data.progress import working
from data.settings import Settings, read_settings
from training.arguments import NAME, BinsAt, Country, EmptyingsAt, Map, Name, WeatherAt, Zone, time_of
from training.commands.reading import note, read_history, source_of

if TYPE_CHECKING:
    from training.recipe import Sources

EXAMPLE = example("brimcast training fit --readings readings.parquet --bins bins.csv")


def fit(
    readings: Annotated[
        str | None,
        typer.Option(
            help="Readings: CSV, Parquet or a database URL. With --like: default that run's, as all of its tables."
        ),
    ] = None,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    until: Annotated[
        pd.Timestamp | None,
        typer.Option(parser=time_of, metavar="TIME", help="Learn only from what was heard by then."),
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--settings", help="How to fit, as `tune --out` writes it: .json.")
    ] = None,
    name: Name = NAME,
    no_scores: Annotated[
        bool, typer.Option("--no-scores", help="Skip scoring, and the second fit it may need.")
    ] = False,
    country: Country = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same data and seed give the same model. [default: that of --settings]"),
    ] = None,
    timezone: Zone = None,
    map: Map = None,
    like: Annotated[
        str | None, typer.Option(metavar="RUN", help="Repeat a run: its data, settings and seed, to the byte.")
    ] = None,
    allow_differences: Annotated[
        bool, typer.Option("--allow-differences", help="Repeat it though data, versions or commit differ; recorded.")
    ] = False,
) -> None:
    """Train a model, log it to MLflow and register it as the next version, the challenger.

    Where there is no champion yet, it is the champion too. It is scored on readings after --until where there are
    some, else the same recipe is fitted without the last 14 days and scored on these; `promote` judges it by that.
    """
    from training import tracking
    from training.baselines import NAMES
    from training.candidate import fit_candidate
    from training.recipe import Recipe, Sources, heard_only, keep, recipe_of
    from training.registry import check_name, enter
    from training.runs import log_scores, running
    from training.scorecard import card_text, scores_text
    from training.settings import ModelSettings, read_model_settings

    if like is not None and (until, given, name, no_scores, country, seed) != (None, None, NAME, False, None, None):
        raise typer.BadParameter(
            "--until, --settings, --name, --no-scores, --country and --seed are those of the run.", param_hint="--like"
        )
    if allow_differences and like is None:
        raise typer.BadParameter("It says how to repeat a run: name it by --like.", param_hint="--allow-differences")
    check_name(name)
    settings = read_settings(country=country)
    repeated = None if like is None else recipe_of(like, settings)
    if readings is None and repeated is None:
        raise typer.BadParameter("Name what to learn from, or a run to repeat.", param_hint="--readings or --like")
    given_places = {
        "readings": readings, "bins": bins, "emptyings": emptyings, "weather": weather, "timezone": timezone,
        "map": tuple(map or ()) or None,
    }  # fmt: skip
    of_run = {} if repeated is None else repeated.sources.model_dump()
    named = Sources(**of_run | {place: where for place, where in given_places.items() if where is not None})
    history = read_history(named.readings, named.bins, named.emptyings, named.weather, named.timezone, [*named.map])
    if repeated is None:
        history = heard_only(history)
        how = read_model_settings(given, settings.country)
        chosen = {"name": name, "until": until, "evaluate": not no_scores, "against": NAMES}
        recipe = Recipe.of(
            history, sources=_shown(named), seed=how.seed if seed is None else seed, settings=how.model_dump(), **chosen
        )
    else:
        history = repeated.known(history)
        recipe = Recipe.of(history, sources=_shown(named), **repeated.method)
    differences = () if repeated is None else repeated.differences(recipe)
    if differences:
        _tell(differences, like, allow_differences)
    with running(f"fit {recipe.name}", "fit", settings, system=True) as run, working("Fitting") as say:
        candidate = fit_candidate(
            history,
            recipe.sources.readings,
            until=None if recipe.until is None else pd.Timestamp(recipe.until),
            seed=recipe.seed,
            evaluate=recipe.evaluate,
            against=recipe.against,
            settings=ModelSettings(**recipe.settings),
            say=say,
        )
        say("logging to MLflow")
        registered = enter(tracking.log(candidate, recipe.name, settings, run.run_id), settings)
        log_scores(candidate, run)
        keep(recipe, registered.run_id, settings, like, differences)
    print(f"{registered.name} version {registered.version} ({', '.join(registered.aliases)}), run {registered.run_id}")
    if candidate.scores is not None:
        print(f"Scores on {candidate.scored_on}:")
        print(scores_text(candidate.scores))
        print(card_text(candidate.model.card))
        skill = candidate.model.card.get("skill")
        if skill and skill["value"] < 0 and "champion" in registered.aliases:
            note(f"It is the champion, as there is no other, but {skill['against']} was nearer on these windows")
    if like is not None:
        _compare(registered.run_id, like, differences, settings)


def _shown(named: Sources) -> Sources:
    """The same places with whole paths and without passwords."""
    places = named.model_dump(include={"readings", "bins", "emptyings", "weather"}, exclude_none=True)
    return named.model_copy(update={name: source_of(place) for name, place in places.items()})


def _tell(differences: tuple[str, ...], like: str | None, allowed: bool) -> None:
    """Say before the long work what differs from the run to repeat. Raises InputError unless that is allowed."""
    if not allowed:
        raise InputError(
            f"Run {like} cannot be repeated as it was: {'; '.join(differences)}",
            expected="the same data, versions and commit",
            remedy="Restore what differs, or go on with --allow-differences, which is recorded.",
        )
    for words in differences:
        note(f"Other than in run {like}: {words}")


def _compare(run_id: str, like: str, differences: tuple[str, ...], settings: Settings) -> None:
    """Say whether the model's files are those of the run that was repeated; raises BrimcastError if they should be."""
    from training.recipe import changed_files

    count, changed = changed_files(run_id, like, settings)
    if not changed:
        print(f"The model's {count} files are those of run {like}, byte for byte.")
        return
    found = f"{len(changed)} of the model's {count} files differ from those of run {like}: {', '.join(changed)}"
    if not differences:
        raise BrimcastError(f"{found}. Nothing that is known to matter differs: please report this.")
    print(f"{found}.")
