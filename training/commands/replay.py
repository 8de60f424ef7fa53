from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.console import check_outputs, example
from data.durations import duration_of
from data.progress import working
from data.settings import read_settings
from training.arguments import (
    NAME,
    BinsAt,
    Country,
    EmptyingsAt,
    From,
    Map,
    Name,
    ReadingsAt,
    To,
    WeatherAt,
    Zone,
    risks_of,
)
from training.commands.reading import note, read_history

if TYPE_CHECKING:
    from training.baselines import Forecaster

EXAMPLE = example(
    "brimcast training replay --readings readings.parquet --bins bins.csv --from 2025-02-01T00:00Z --rounds mon,wed,fri"
)


def replay(
    readings: ReadingsAt,
    start: From,
    bins: BinsAt = None,
    emptyings: EmptyingsAt = None,
    weather: WeatherAt = None,
    to: To = None,
    rounds: Annotated[
        str, typer.Option(metavar="DAYS", help="When bins can be emptied, at 6 local time: daily, or mon,wed,fri.")
    ] = "daily",
    visits: Annotated[
        str | None, typer.Option(help="Planned visits (bin_id, planned_at) as the opportunities, in place of --rounds.")
    ] = None,
    lead: Annotated[str, typer.Option(metavar="DURATION", help="How long before a round it is decided.")] = "15h",
    risks: Annotated[
        str, typer.Option(metavar="LIST", help="Empty where the risk to be full before the next round exceeds this.")
    ] = "0.003,0.01,0.03,0.08,0.2",
    model: Annotated[
        list[str] | None,
        typer.Option(help="champion | version:N | a folder | baseline:NAME, repeatable. [default: one fitted here]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Every policy, bin and week: .parquet or .csv.")] = None,
    html: Annotated[Path | None, typer.Option(help="The frontier as a page, to look at in a browser.")] = None,
    name: Name = NAME,
    country: Country = None,
    seed: Annotated[int, typer.Option(min=0, help="The same data and seed give the same replay.")] = 0,
    timezone: Zone = None,
    map: Map = None,
) -> None:
    """Replay collection policies on history: emptyings against hours of overflow.

    What was thrown in stays; a policy decides before each round from what was known --lead ahead; the level follows.
    """
    from data.outputs import check_ending, whole, write_table
    from training.backtest import check_start
    from training.forecasters import check_model, learned_until, resolve
    from training.inputs import read_visits
    from training.model import FillModel
    from training.opportunities import Rounds
    from training.replay import replay as run_replay
    from training.replay_report import replay_page, replay_text
    from training.settings import ModelSettings

    check_outputs(out, html, inputs=(readings, bins, emptyings, weather))
    check_ending(out)
    ahead, chosen, models = duration_of(lead, "--lead"), risks_of(risks), list(dict.fromkeys(model or []))
    for one in models:
        check_model(one)
    trucks = Rounds.named(rounds)
    if visits is not None:
        if rounds != "daily":
            raise typer.BadParameter("Name either --rounds or --visits.", param_hint="--visits")
        trucks = Rounds(visits=read_visits(visits, timezone=timezone))
    settings = read_settings(country=country)
    history = read_history(readings, bins, emptyings, weather, timezone, map)
    check_start(history, start, to, learns=True)
    forecasters: dict[str, Forecaster] = {}
    with working("Preparing") as say:
        for one in models:
            say(one)
            forecasters[one] = resolve(one, name, history, start, settings)
            learned = learned_until(forecasters[one])
            if learned is not None and learned > start:
                note(f"{one} has learned from readings until {learned}, after --from: its replay flatters it")
        if not models:
            how = ModelSettings(country=settings.country)
            forecasters["brimcast"] = FillModel.fit(history, until=start, seed=seed, settings=how, progress=say)
    with working("Replaying") as say:
        result = run_replay(history, forecasters, start, to, rounds=trucks, lead=ahead, risks=chosen, progress=say)
    if out is not None:
        write_table(result.table, out)
    names = list(forecasters)
    if html is not None:
        title = f"Brimcast policy replay from {start:%-d %b %Y}"
        with whole(html) as draft:
            draft.write_text(replay_page(result, names, title), encoding="utf-8")
    print(replay_text(result, names))
