from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from data.console import check_outputs, example
from data.durations import duration_of
from data.outputs import whole
from data.progress import counting, working
from data.settings import read_settings
from training.arguments import (
    NAME,
    BinsAt,
    Country,
    EmptyingsAt,
    Map,
    Name,
    ReadingsAt,
    WeatherAt,
    Zone,
    time_of,
)
from training.commands.reading import read_history, source_of

if TYPE_CHECKING:
    from training.folds import Fold
    from training.search import Trial
    from training.settings import ModelSettings

EXAMPLE = example(
    "brimcast training tune --readings readings.parquet --bins bins.csv --budget 2h --out settings.json",
    "brimcast training fit --readings readings.parquet --bins bins.csv --settings settings.json",
)


SEARCHING = 0.75  # of the budget; the rest is for holding the best against what was


def tune(
    readings: ReadingsAt,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    until: Annotated[
        pd.Timestamp | None,
        typer.Option(parser=time_of, metavar="TIME", help="Search only in what was heard by then."),
    ] = None,
    budget: Annotated[str, typer.Option(metavar="DURATION", help="The time it may take.")] = "30min",
    trials: Annotated[int | None, typer.Option(min=1, help="At most so many trials in this call.")] = None,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Rolling origins that are searched.")] = 4,
    examples: Annotated[
        int, typer.Option(min=1000, help="Rows that a trial's models learn from; the best is then tried with all.")
    ] = 20_000,
    start: Annotated[
        Path | None, typer.Option("--settings", help="The settings to improve on, as JSON; else the defaults.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The settings to fit with: .json, for `fit --settings`.")] = None,
    name: Name = NAME,
    country: Country = None,
    seed: Annotated[int, typer.Option(min=0, help="The same data, seed and trials give the same search.")] = 0,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Search for settings with which the model forecasts better, on rolling origins inside the training period.

    Every trial is fitted before each of the same weeks and scored on them, against a fixed baseline; the first is the
    settings as they are. What did best is fitted once more, with all examples, and held against them on the newest
    weeks, which the search has not seen. --out is the better of the two: the settings as they were, unless beaten
    surely. The same call again goes on where this one stopped.
    """
    import numpy as np

    from training.folds import rolling_folds
    from training.practice import known_by
    from training.registry import check_name
    from training.runs import running
    from training.search import search
    from training.settings import read_model_settings
    from training.tuning import NOT_KEPT, judged, log_trial, log_verdict, study_name, trial_text, verdict_text

    check_outputs(out)
    seconds = duration_of(budget, "--budget").total_seconds()
    began = time.monotonic()
    settings = read_settings(country=country)
    base = read_model_settings(start, settings.country)
    past, _ = known_by(read_history(readings, bins, emptyings, weather, timezone, map), until)
    with working("Preparing") as say:
        *course, last = rolling_folds(past, None, folds + 1, np.random.default_rng(seed), say)
    quick = base.model_copy(update={"examples": min(examples, base.examples)})
    study = study_name(check_name(name), past, course, quick, seed)
    made: list[Trial] = []
    with (
        running(f"tune {name}", "tune", settings, tags={"study": study, "name": name}, system=True) as run,
        counting("Tuning, seconds of the budget", round(seconds)) as advance,
    ):
        run.data(past, source_of(readings), "training")
        run.log(params={"budget_s": seconds, "folds": folds, "seed": seed, **base.model_dump(exclude=NOT_KEPT)})
        told = began

        def tick() -> None:
            nonlocal told
            told, before = time.monotonic(), told
            advance(round(told - began) - round(before - began))

        def shares(tried: ModelSettings, fold: Fold) -> list[float]:
            found = fold.shares(fold.rows(past, tried, seed))
            tick()
            return found.to_list()

        def done(trial: Trial) -> None:
            made.append(trial)
            print(trial_text(trial, min(one.value for one in made)), file=sys.stderr, flush=True)
            log_trial(trial, run)

        everything = search(
            quick,
            course,
            shares,
            storage=settings.home / "tune.db",
            name=study,
            trials=trials,
            seed=seed,
            clock=time.monotonic,
            deadline_s=began + SEARCHING * seconds,
            done=done,
        )
        verdict = judged(everything, base, last, past, seed, lambda step: tick())
        tick()
        chosen = base
        if verdict.is_better:
            chosen = verdict.best.settings.model_copy(update={"examples": base.examples})
        log_verdict(verdict, everything, chosen, run)
    if out is not None:
        with whole(out) as draft:
            draft.write_text(json.dumps(chosen.model_dump(exclude=NOT_KEPT), indent=1) + "\n")
    print(verdict_text(verdict, everything, course, last))
    print(f"Run {run.run_id}, study {study}." + (f" The settings to fit with are in {out}." if out else ""))
