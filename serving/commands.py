import os
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from data.console import make_app, run
from serving.key_commands import keys_app

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # LightGBM's threads spin otherwise: minutes beside a busy neighbour

app = make_app("serving", "The service: try it on a simulated city, start it, or print its due list without it.")

Bins = Annotated[int, typer.Option(help="Bins of the city.", min=1, max=5000)]
Days = Annotated[int, typer.Option(help="Days of history.", min=35, max=1000)]


@app.command()
def demo(
    bins: Bins = 200,
    days: Days = 120,
    seed: Annotated[int, typer.Option(help="Another seed, another city.", min=0)] = 0,
    once: Annotated[bool, typer.Option("--once", help="End after printing, instead of serving until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="The port to serve on; 0: a free one.", min=0, max=65535)] = 0,
) -> None:
    """Run everything on a simulated city: data, training, registry, service.

    Prints which bins are due tomorrow morning, with the address of the API page. Takes a minute or two.

    Example: brimcast serving demo --bins 200 --days 120
    """
    from serving.demo import run_demo
    from serving.live import clock

    run_demo(bins=bins, days=days, seed=seed, once=once, port=port, now=clock().to_pydatetime())


@app.command()
def start(
    host: Annotated[
        str, typer.Option(help="The address to answer on; other than a loopback address only where there are keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to answer on.", min=1, max=65535)] = 3000,
    workers: Annotated[int, typer.Option(help="Processes that answer.", min=1, max=64)] = 1,
) -> None:
    """Start the service on the configured store (BRIMCAST_STORE) and registry (MLFLOW_TRACKING_URI).

    Copies the champion here first, and each new one while it runs; where the registry is down, the last copy answers.
    Migrates a store of an older revision, or refuses it where BRIMCAST_STORE_MIGRATE is false. Ctrl-C stops it.

    Example: brimcast serving start --port 3000 --workers 2
    """
    import sys

    from data.errors import BrimcastError
    from data.migration import SchemaError
    from data.settings import read_settings
    from data.store import Store
    from serving import server
    from serving.champion import fetch
    from serving.keys import configured_keys
    from training.registry import last_copy

    settings = read_settings()
    keys = configured_keys(settings)
    address = server.address_of(host, keyed=len(keys) > 0)
    server.free_port(address, port)
    try:
        Store.of(settings).close()
    except SchemaError:
        raise
    except BrimcastError as error:
        print(f"The store does not answer yet, so requests will be answered 503. {error}", file=sys.stderr)
    try:
        folder, version = fetch(settings)
        print(f"Answering with version {version}, from {folder}", file=sys.stderr)
    except BrimcastError as error:
        kept = last_copy(settings=settings)
        so = (
            "No model yet, so forecasts will be answered 503."
            if kept is None
            else f"Version {kept[1]} goes on answering."
        )
        print(f"{so} {error}", file=sys.stderr)
    settings.home.mkdir(parents=True, exist_ok=True)
    shown = f"[{address}]" if ":" in address else address
    known = f"Who has one of {len(keys)} keys is answered" if keys else "No keys: this machine alone is answered"
    print(known, file=sys.stderr)
    print(f"The API page: http://{shown}:{port}/docs", file=sys.stderr, flush=True)
    os.execve(sys.executable, server.command(address, port), server.environment(settings, workers))


@app.command()
def fetch() -> None:
    """Copy the registry's champion here; a running service answers with it within seconds.

    Example: brimcast serving fetch
    """
    from data.settings import read_settings
    from serving.champion import fetch as fetch_champion

    folder, version = fetch_champion(read_settings())
    print(f"Version {version} is in {folder}")


@app.command()
def due(
    by: Annotated[str, typer.Option(help="The moment until which bins must not be full; ISO 8601 with an offset.")],
    risk: Annotated[float, typer.Option(help="The probability of being full that is accepted.")] = 0.1,
    limit: Annotated[int | None, typer.Option(help="At most so many bins.", min=1)] = None,
    as_of: Annotated[str | None, typer.Option(help="Forecast as of this moment instead of now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, as the service answers.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
) -> None:
    """Print which bins are due, most urgent first, from the store and the champion, without the service.

    Example: brimcast serving due --by 2026-03-02T06:00:00+01:00 --risk 0.1 --csv
    """
    from serving.dispatch import due_now
    from training.arguments import time_of

    if as_json and as_csv:
        raise typer.BadParameter("Choose --json or --csv.")
    if not 0 < risk < 1:
        raise typer.BadParameter(f"--risk {risk} is no probability between 0 and 1, such as 0.1.")
    kind: Literal["json", "csv", "table"] = "json" if as_json else "csv" if as_csv else "table"
    moment = None if as_of is None else time_of(as_of)
    due_now(time_of(by), risk, limit, moment, kind)


app.add_typer(keys_app)


def main(args: Sequence[str] | None = None) -> None:
    """Run `brimcast serving`."""
    run(app, args)
