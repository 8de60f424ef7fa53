"""The commands of serving/RUNBOOK.md do what it says: each marked block is run by bash, on a city's store."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from data.schema import REVISION
from data.store import Store
from serving import keys
from tests.e2e.conftest import City, Postgres, settings_of

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "serving" / "RUNBOOK.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^<!-- ci: ([\w-]+) -->\n```sh\n(.*?)^```$", TEXT, re.M | re.S))


def run(block: str, folder: Path, home: Path, **more: str) -> str:
    """Run a block in `folder` as its reader would, with the tested `brimcast` first on the path."""
    search = [str(Path(sys.executable).parent), *filter(None, [more.pop("PGBIN", "")]), os.environ["PATH"]]
    environment = os.environ | {
        "BRIMCAST_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": os.pathsep.join(search),
        **more,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", BLOCKS[block]], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lead_to(database: Path, old: Path, new: Path) -> None:
    """Let a copied registry name its artifacts where they lie now."""
    with closing(sqlite3.connect(database)) as registry:
        for (table,) in registry.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in registry.execute(f"PRAGMA table_info({table})").fetchall():
                if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                    words = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?)'
                    registry.execute(words, (str(old), str(new)))
        registry.commit()


def held(url: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    with Store(url) as store:
        history = store.history()
    return history.readings.frame, history.bins.frame


def test_every_block_of_commands_is_run_here() -> None:
    assert set(BLOCKS) == {
        "backup-sqlite", "restore-sqlite", "backup-postgresql", "restore-postgresql", "schema", "bins",
    }  # fmt: skip
    assert TEXT.count("```sh") == len(BLOCKS)


def test_a_lost_home_comes_back_from_its_backup(city: City, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(city.home, home)
    lead_to(home / "mlflow.db", city.home, home)
    settings = settings_of(home)
    token, key = keys.create(settings, "gate", ["ingest"])
    before = held(settings.store)
    with Store(settings.store):  # which keeps a write-ahead log beside the file
        run("backup-sqlite", tmp_path, home, BACKUP=str(tmp_path / "backup"))
    shutil.rmtree(home)
    told = run("restore-sqlite", tmp_path, home, BACKUP=str(tmp_path / "backup"))
    assert f"Version {city.good - 1} is in {home}" in told, "the registry knows its champion, and has its artifacts"
    for one, two in zip(before, held(settings.store), strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert keys.configured_keys(settings).find(token) == key


def test_a_home_without_keys_of_its_own_is_backed_up_too(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    (home / "artifacts").mkdir(parents=True)
    for name in ("store.db", "mlflow.db"):
        with closing(sqlite3.connect(home / name)) as made:
            made.execute("CREATE TABLE t (x)")
    run("backup-sqlite", tmp_path, home, BACKUP=str(backup))
    assert {path.name for path in backup.iterdir()} == {"store.db", "mlflow.db", "artifacts"}


def test_a_lost_database_comes_back_from_its_dump(city: City, home: Path, postgres: Postgres, tmp_path: Path) -> None:
    settings = settings_of(home, store=postgres.url)
    with Store(f"sqlite:///{home / 'store.db'}") as source, Store(postgres.url) as store:
        history = source.history()
        store.put(history.readings, history.emptyings, history.bins)
    before = held(postgres.url)
    variables = {"BACKUP": str(tmp_path / "backup"), "PGURL": postgres.url.replace("+psycopg", ""),
                 "PGBIN": str(postgres.programs)}  # fmt: skip
    run("backup-postgresql", tmp_path, home, **variables)
    with Store(postgres.url) as store, store.connections.transaction() as connection:
        for table in ("readings", "bins", "emptyings", "bin_versions", "brimcast_revision"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    run("restore-postgresql", tmp_path, home, BRIMCAST_STORE=settings.store, **variables)
    for one, two in zip(before, held(postgres.url), strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_the_schema_goes_up_and_down_and_the_data_stay(city: City, home: Path, tmp_path: Path) -> None:
    url = settings_of(home).store
    before = held(url)
    told = run("schema", tmp_path, home)
    assert f"from revision {REVISION} to revision 0001" in told
    assert told.strip().endswith(f"to revision {REVISION}")
    for one, two in zip(before, held(url), strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_bins_are_retired_renamed_and_merged(city: City, home: Path, tmp_path: Path) -> None:
    url = settings_of(home).store
    count = held(url)[0].groupby("bin_id").size()
    run("bins", tmp_path, home)
    readings, bins = held(url)
    after = readings.groupby("bin_id").size()
    assert len(pd.read_parquet(tmp_path / "retired" / "readings.parquet")) == count["bin-0001"]
    assert after["praha5-0002"] == count["bin-0002"]
    assert after["bin-0004"] == count["bin-0003"] + count["bin-0004"]
    assert {"bin-0001", "bin-0002", "bin-0003"}.isdisjoint(bins["bin_id"])
