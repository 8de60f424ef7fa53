"""Everything on a simulated city: data, training, registry, service, and the due list of tomorrow morning."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from data.city_settings import CitySettings
from data.errors import InputError
from data.progress import counting, working
from data.settings import Settings, read_settings
from data.simulation import simulate_to
from data.store import Store
from serving.answers import DueAnswer
from serving.champion import fetch
from serving.listing import print_due
from serving.server import Server, ends_in_order, free_port

MARK = "brimcast-demo"
RISK = 0.1
ROWS = 15
QUICK: dict[str, Any] = {"examples": 40_000, "networks": 1, "trees": 60, "learning_rate": 0.15}
"""How the demo's model is fitted: in half the time, for a few percent of accuracy."""


def run_demo(*, bins: int, days: int, seed: int, once: bool, port: int, now: datetime) -> None:
    """The whole road on a city whose last reading is about `now`; ends after printing (`once`) or at Ctrl-C.

    Begins anew each time, in the folder `demo` of the home. Raises BrimcastError.
    """
    free_port(port=port)  # before the minutes of work
    settings = fresh_home(read_settings())
    print(f"Everything of this demo lies in {settings.home}, made anew each time.", file=sys.stderr)
    city = settings.home / "city"
    plan = CitySettings(bins=bins, days=days, start=beginning(now, days))
    with working(f"Simulating {bins} bins over {days} days"):
        simulate_to(city, bins=bins, days=days, seed=seed, settings=plan)
    prepare(city, settings, seed, now)
    with ends_in_order(), Server(settings, port=port) as server:
        with working("Starting the service") as say:
            server.wait_ready(say)
        show(server, tomorrow_morning(now, plan.timezone), ZoneInfo(plan.timezone))
        if once:
            print(
                "\nThe service ends now; without --once it goes on answering, at the addresses it then tells.",
                flush=True,
            )
            return
        print("\nIt goes on answering until Ctrl-C.", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("\nStopping.", file=sys.stderr)
            return
        raise server.ended("while it answered")


def fresh_home(settings: Settings) -> Settings:
    """An empty home for the demo, inside the configured one. Raises InputError rather than delete what is not ours."""
    home = settings.home / "demo"
    if home.exists() and not (home / MARK).exists():
        raise InputError(
            f"{home} exists, and no demo made it",
            expected="a folder that the demo may empty",
            remedy="Move it away, or set BRIMCAST_HOME elsewhere.",
        )
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / MARK).touch()
    country = settings.country or "CZ"
    return Settings(home=home, store=f"sqlite:///{home / 'store.db'}", tracking_uri=f"sqlite:///{home / 'mlflow.db'}",
                    country=country, keys="", keys_file=None)  # fmt: skip


def beginning(now: datetime, days: int) -> datetime:
    """When the city must begin to end at the full hour before `now`: then the service's own clock holds in it."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=days)


def tomorrow_morning(now: datetime, timezone: str) -> datetime:
    """Tomorrow at six, local time."""
    local = now.astimezone(ZoneInfo(timezone))
    return datetime.combine(local.date() + timedelta(days=1), clock_time(6), ZoneInfo(timezone))


def prepare(city: Path, settings: Settings, seed: int, now: datetime) -> None:
    """Load the city's files into the store, train on them, and register the champion."""
    from training.candidate import fit_candidate
    from training.inputs import read_history
    from training.registry import NAME, enter
    from training.settings import ModelSettings
    from training.tracking import log

    with working("Cleaning"):
        heard = read_history(str(city / "readings.parquet"), str(city / "bins.csv"))
    for note in heard.notes:
        print(note, file=sys.stderr)
    history = heard.history.until(pd.Timestamp(now).as_unit("us"))  # late reports are still on their way
    with Store(settings.store) as store, counting("Loading readings", len(history.readings)) as advance:
        store.put_bins(history.bins)
        store.put_readings(history.readings, progress=advance)
    with working("Training") as say:
        candidate = fit_candidate(
            history,
            str(city / "readings.parquet"),
            seed=seed,
            settings=ModelSettings(**QUICK, country=settings.country),
            say=say,
        )
    if candidate.scores is not None:
        overall = candidate.scores.loc["overall"]
        print(f"CRPS {overall['crps']:.2f} points on {candidate.scored_on}", file=sys.stderr)
    with working("Registering in MLflow"):
        enter(log(candidate, NAME, settings), settings)
        fetch(settings)


def show(server: Server, by: datetime, zone: ZoneInfo) -> None:
    """Ask the service for the due list, print it, and how to ask again."""
    asked = {"by": by.isoformat(), "risk": RISK}
    answer = DueAnswer.model_validate(server.post("/v1/due", asked))
    print_due(answer, by, RISK, zone, ROWS)
    print(f"\nThe API page: {server.url}/docs")
    print("Ask for this list:")
    print(f"  curl -s {server.url}/v1/due -H 'Content-Type: application/json' -d '{json.dumps(asked)}'", flush=True)
