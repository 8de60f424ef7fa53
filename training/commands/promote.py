from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from data.console import example
from data.errors import BrimcastError
from data.progress import working
from data.settings import read_settings
from training.arguments import NAME, BinsAt, EmptyingsAt, Map, Name, WeatherAt, Zone
from training.commands.reading import named_or_store, read_history, source_of

EXAMPLE = example(
    "brimcast training promote --readings readings.parquet --bins bins.csv",
    'brimcast training promote 3 --force --reason "version 2 does not know the new sensors"',
)
UNJUDGED = "; or promote without judging, by --force with a --reason"


def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="Default: the challenger's.")] = None,
    readings: Annotated[
        str | None, typer.Option(help="What to judge by: CSV, Parquet or a database URL. [default: BRIMCAST_STORE]")
    ] = None,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    weeks: Annotated[float | None, typer.Option(help="Of the newest weeks, at most so many. [default: 4]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever the rule says; needs a --reason.")] = False,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why by force; is recorded.")] = None,
    name: Name = NAME,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Make a version the champion, which the service loads, if it is no worse than the champion of today.

    Both are asked the same windows of the newest weeks, which neither has learned from; who has learned from them is
    judged by its rehearsal. Refused (exit 1) where it is worse overall, or surely so in a slice, or badly calibrated.
    The decision is an MLflow run. `rollback` returns to the champion before.
    """
    from training import registry, tracking
    from training.decision import REFUSED, decide
    from training.logbook import entered
    from training.promotion_settings import read_promotion_settings
    from training.scorecard import verdict_text

    if force != bool(reason and reason.strip()):
        raise typer.BadParameter('--force and --reason "..." go together: who overrules the rule says why.')
    settings, rule = read_settings(), read_promotion_settings(weeks=weeks)
    challenger = registry.found(name, registry.CHALLENGER if version is None else version, settings)
    champion = tracking.find(name, registry.CHAMPION, settings)
    if champion is not None and champion.version == challenger.version:
        print(f"{name} version {champion.version} is the champion already: there is no other to judge.")
        return
    judged = champion is not None and (readings is not None or not force)
    source = named_or_store(readings, settings, UNJUDGED) if judged else None
    history = None if source is None else read_history(source, bins, emptyings, weather, timezone, map)
    with working("Judging") as say:
        decision = decide(
            challenger,
            champion,
            history,
            rule=rule,
            settings=settings,
            made_at=pd.Timestamp.now("UTC"),
            reason=reason,
            source=None if source is None else source_of(source),
            say=say,
        )
    with entered(decision, rule, settings) as run_id:
        if decision.outcome != REFUSED:
            registry.promote(name, challenger.version, settings)
    if decision.verdict is not None:
        print(verdict_text(decision.verdict))
    print(f"MLflow run {run_id}")
    if decision.outcome == REFUSED and champion is not None:
        raise BrimcastError(
            f"{name} version {challenger.version} is refused; version {champion.version} stays the champion. "
            'The reasons stand in the table; --force --reason "..." overrules them.'
        )
    now = f"{name} version {challenger.version} is the champion now"
    print(f"{now}, in place of version {champion.version}." if champion is not None else f"{now}.")
