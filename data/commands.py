"""`brimcast data`: simulate | check | load | migrate | prune | rename | retire."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from data.console import check_outputs, example, make_app, run, table_console

app = make_app(
    "data", "Readings and cities: simulate a city, check a table of readings, load one into a store, keep the store."
)

READINGS = typer.Option(
    ..., "--readings", metavar="FILE|URL", help="Readings: CSV (plain or .gz), Parquet or a database URL."
)
BINS = typer.Option(None, "--bins", metavar="FILE|URL", help="The bins table; readings of other bins are set aside.")
EMPTYINGS = typer.Option(None, "--emptyings", metavar="FILE|URL", help="Reported emptyings.")
WEATHER = typer.Option(
    None, "--weather", metavar="FILE|URL", help="The city's weather, forecast and observed, with issued_at."
)
TIMEZONE = typer.Option(None, "--timezone", metavar="ZONE", help="The zone of times without an offset: Europe/Prague.")
TREES = typer.Option(..., "--out", metavar="FILE", help="Where the trees go.")
OUT = typer.Option(..., "--out", metavar="DIR", help="The folder to write into; made when missing.")
REJECTED = typer.Option(
    None,
    "--rejected",
    metavar="OUT.csv",
    help="Write the rows set aside here, with reasons; `row` counts from 0, after the header.",
)
FOUND = typer.Option(None, "--emptyings", metavar="OUT.csv", help="Write the emptyings found here.")
MAPPING = typer.Option([], "--map", metavar="OURS=THEIRS", help="Read a foreign column: fill_pct=Fullness. Repeatable.")
RETIRED = typer.Argument(..., metavar="BIN...", help="The bins' ids.")
ARCHIVE = typer.Option(..., "--out", metavar="DIR", help="Where their history is written; made when missing.")
STORE = typer.Option(
    None, "--store", metavar="URL", help="The store: sqlite:///store.db or postgresql://... [default: BRIMCAST_STORE]"
)


@app.command(epilog=example("brimcast data simulate --bins 200 --days 180 --seed 0 --out city"))
def simulate(
    out: Path = OUT,
    bins: int = typer.Option(200, "--bins", min=1, help="How many bins."),
    days: int = typer.Option(180, "--days", min=1, help="How many days."),
    seed: int = typer.Option(0, "--seed", min=0, help="The same seed gives the same city."),
    weather_effect: float = typer.Option(
        1.0, "--weather-effect", min=0.0, help="How strongly the weather drives deposits; 0: not at all."
    ),
) -> None:
    """Simulate a city of bins: readings, bins, weather, planned rounds, and the truth apart from them."""
    from data.progress import working
    from data.simulation import CitySettings, simulate_to

    with working(f"Simulating {bins:,} bins over {days:,} days"):
        settings = CitySettings(weather_effect=weather_effect)
        simulate_to(out, bins=bins, days=days, seed=seed, settings=settings)
    typer.echo(f"Wrote {out}: {', '.join(sorted(str(p.relative_to(out)) for p in out.rglob('*') if p.is_file()))}")


@app.command(epilog=example("brimcast data teach --out detector.txt"), hidden=True)
def teach(
    out: Path = TREES,
    cities: int = typer.Option(96, "--cities", min=1, help="How many simulated cities it learns from."),
    readings: str | None = typer.Option(None, "--readings", metavar="FILE|URL", help="And from these bins' reports."),
    bins: str | None = BINS,
    emptyings: str | None = EMPTYINGS,
) -> None:
    """Teach the detector of emptyings (data/detector.txt) anew; the same input gives the same trees."""
    import numpy as np

    from data.inputs import read_inputs
    from data.progress import working
    from data.teaching import teach as taught

    with working(f"Teaching the detector on {cities:,} cities"):
        reported = read_inputs(readings, bins, emptyings).history if readings is not None else None
        taught(cities, np.random.default_rng(0), reported).save_model(out)


@app.command(epilog=example("brimcast data check --readings readings.csv --bins bins.csv --rejected rejected.csv"))
def check(
    readings: str = READINGS,
    bins: str | None = BINS,
    emptyings_in: str | None = typer.Option(None, "--reported", metavar="FILE|URL", help="Reported emptyings to read."),
    weather: str | None = WEATHER,
    rejected: Path | None = REJECTED,
    emptyings: Path | None = FOUND,
    timezone: str | None = TIMEZONE,
    mapping: list[str] = MAPPING,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object instead of tables."),
) -> None:
    """Check readings: rows kept and set aside by reason, emptyings found, and the health of each sensor."""
    from data.checkup import Checkup
    from data.inputs import need_readings, read_inputs
    from data.outputs import check_ending, write_table
    from data.progress import working
    from data.sources import read_mapping

    check_outputs(rejected, emptyings, inputs=(readings, bins, emptyings_in, weather))
    check_ending(rejected, emptyings)
    with working("Checking") as say:
        say("reading and cleaning")
        inputs = read_inputs(readings, bins, emptyings_in, weather, mapping=read_mapping(mapping), timezone=timezone)
        say(f"finding emptyings in {len(inputs.readings):,} readings")
        found = Checkup.of(inputs)
    if rejected is not None:
        write_table(inputs.rejected_rows(), rejected)
    if emptyings is not None and len(inputs.readings):
        write_table(found.emptyings.frame, emptyings)
    if as_json:
        print(json.dumps(found.as_json(), indent=2, allow_nan=False))
    else:
        found.show(table_console())
    need_readings(inputs, readings)


@app.command(epilog=example("brimcast data load --readings readings.csv --bins bins.csv --store sqlite:///store.db"))
def load(
    readings: str = READINGS,
    store: str | None = STORE,
    bins: str | None = BINS,
    emptyings: str | None = EMPTYINGS,
    weather: str | None = WEATHER,
    timezone: str | None = TIMEZONE,
    mapping: list[str] = MAPPING,
) -> None:
    """Clean readings and put them into a store. Loading the same again changes nothing."""
    from data.databases import shown
    from data.inputs import need_readings, read_inputs
    from data.progress import counting, working
    from data.settings import read_settings
    from data.sources import read_mapping
    from data.store import Store

    with working("Loading") as say:
        say("reading and cleaning")
        inputs = read_inputs(readings, bins, emptyings, weather, mapping=read_mapping(mapping), timezone=timezone)
    need_readings(inputs, readings)
    with Store.of(read_settings(store=store)) as opened:
        emptied = inputs.emptyings if len(inputs.emptyings) else None
        with counting("Storing readings", len(inputs.readings) + len(inputs.retold)) as advance:
            issued = inputs.weather if len(inputs.weather) else None
            done = opened.put(inputs.readings, emptied, inputs.bins, advance, inputs.retold, issued)
        for table, stored in done.items():
            aside = f"; set aside: {_counts(inputs.rejected[table].counts())}" if len(inputs.rejected[table]) else ""
            typer.echo(f"{table}: {stored.accepted:,} stored, {stored.unchanged:,} known already{aside}")
        for table, names in inputs.unknown_columns.items():
            if names:
                print(f"Ignored columns of {table}: {', '.join(names)}", file=sys.stderr)
        typer.echo(f"Store: {shown(opened.url)}")


@app.command(epilog=example("brimcast data migrate --store postgresql://brimcast@db.city.example/brimcast"))
def migrate(
    store: str | None = STORE,
    to: str | None = typer.Option(None, "--to", metavar="REVISION", help="Another revision than the newest: 0001."),
) -> None:
    """Bring a store's tables to the revision that this Brimcast works with. Its data stay; back it up all the same.

    The service and `load` do it when they start, unless BRIMCAST_STORE_MIGRATE is false.
    """
    from data.connections import Connections
    from data.databases import shown
    from data.migration import migrate as migrate_store
    from data.migration import revisions
    from data.progress import working
    from data.settings import read_settings

    settings, target = read_settings(store=store), to or revisions()[-1]
    connections = Connections(settings.store, settings.store_wait_s)
    with working("Migrating"), connections.transaction(alone=True) as connection:
        found = migrate_store(connection, target)
    connections.close()
    was = "no tables" if found is None else f"revision {found}"
    told = f"is at {was} already" if found == target else f"went from {was} to revision {target}"
    typer.echo(f"{shown(connections.url)} {told}")


@app.command(epilog=example("brimcast data prune --keep 730d --dry-run"))
def prune(
    keep: str = typer.Option(
        ..., "--keep", metavar="DURATION", help="How long readings and weather are kept: 730d or 104w."
    ),
    keep_forecasts: str | None = typer.Option(
        None,
        "--keep-forecasts",
        metavar="DURATION",
        help="How long forecasts that were given are kept. [default: --keep]",
    ),
    store: str | None = STORE,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be deleted, and delete nothing."),
) -> None:
    """Delete readings, weather, and forecasts that were given, older than that from a store, beside a running service.

    The newest reading of each bin stays, however old, and so do bins and emptyings. A file of SQLite does not shrink:
    the room is used again.
    """
    import pandas as pd

    from data.databases import shown
    from data.durations import duration_of
    from data.progress import working
    from data.retention import LEAST, prune_store
    from data.settings import read_settings
    from data.store import Store

    kept, now = duration_of(keep, "--keep"), pd.Timestamp.now("UTC").as_unit("us")
    if kept < LEAST:
        raise typer.BadParameter(
            f"{keep!r} is less than the {LEAST.days} days that forecasts read. Expected as much or more, such as 730d.",
            param_hint="--keep",
        )
    kept_given = kept if keep_forecasts is None else duration_of(keep_forecasts, "--keep-forecasts")
    settings = read_settings(store=store)
    with Store(settings.store, migrate=False, wait_s=settings.store_wait_s) as opened:
        with working("Pruning"):
            done = prune_store(opened.connections, now - kept, now, given_before=now - kept_given, dry_run=dry_run)
        said = "would be deleted" if dry_run else "deleted"
        typer.echo(
            f"{shown(opened.url)}: {done.readings:,} readings of {done.bins:,} bins, measured before "
            f"{done.before:%Y-%m-%d %H:%M} UTC, {done.weather:,} rows of weather before then, and "
            f"{done.forecasts:,} forecasts given, {said}"
        )


@app.command(epilog=example("brimcast data rename b-17 praha5-0017"))
def rename(
    old: str = typer.Argument(..., metavar="OLD", help="The bin's id until now."),
    new: str = typer.Argument(
        ..., metavar="NEW", help="Its id from now on; of a bin that is there: the two become one."
    ),
    store: str | None = STORE,
) -> None:
    """Give a bin another id, with all its history; or join it to the bin that has that id.

    Whoever sends its readings must use the new id from then on: the old one is unknown.
    """
    from data.databases import shown
    from data.renaming import rename_bin
    from data.settings import read_settings
    from data.store import Store

    settings = read_settings(store=store)
    with Store(settings.store, migrate=False, wait_s=settings.store_wait_s) as opened:
        done = rename_bin(opened.connections, old, new)
        what = f"joined to {new}, whose facts hold" if done.merged else f"is {new} now"
        typer.echo(f"{shown(opened.url)}: {old} {what}; {done.readings:,} readings, {done.emptyings:,} emptyings moved")


@app.command(epilog=example("brimcast data retire b-17 b-18 --out retired/2026-03"))
def retire(
    bins: list[str] = RETIRED,
    out: Path = ARCHIVE,
    store: str | None = STORE,
) -> None:
    """Take bins out of the store: their history is written to files first, and they are due no more."""
    from data.databases import shown
    from data.retiring import retire_bins
    from data.settings import read_settings
    from data.store import Store

    settings = read_settings(store=store)
    with Store(settings.store, migrate=False, wait_s=settings.store_wait_s) as opened:
        done = retire_bins(opened, bins, out)
        typer.echo(
            f"{shown(opened.url)}: {done.bins:,} bins retired; {done.readings:,} readings and {done.emptyings:,} "
            f"emptyings are in {out} now"
        )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in counts.items())


def main(args: Sequence[str] | None = None) -> None:
    """Run `brimcast data`."""
    run(app, args)
