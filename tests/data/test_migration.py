import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from data.bins import Bins
from data.commands import main
from data.connections import Connections
from data.databases import LEGACY_MARK, MARK
from data.errors import InputError
from data.migration import BASE, LEGACY, SchemaError, migrate, revision_of, revisions
from data.readings import Readings
from data.schema import METADATA, REVISION
from data.settings import read_settings
from data.store import Store

TIME = pd.Timestamp("2025-01-01", tz="UTC")
READINGS = Readings.checked(pd.DataFrame({"bin_id": ["a", "b"], "measured_at": TIME, "fill_pct": [40.0, 50.0]}))


@pytest.fixture
def connections(store_url: str) -> Connections:
    return Connections(store_url)


def at(connections: Connections) -> str | None:
    with connections.snapshot() as connection:
        return revision_of(connection)


def move(connections: Connections, to: str) -> None:
    with connections.transaction(alone=True) as connection:
        migrate(connection, to)


def tables(connections: Connections) -> set[str]:
    with connections.snapshot() as connection:
        return set(sa.inspect(connection).get_table_names())


def make_legacy(url: str, mark: int = 1) -> None:
    """A store as it was made before there were migrations, with two readings and a bin."""
    with Store(url) as store:
        store.put_bins(Bins.named(["a"]))
        store.put_readings(READINGS)
        move(store.connections, LEGACY)
        with store.connections.transaction() as connection:
            connection.exec_driver_sql(f"DROP TABLE {MARK}")
            connection.exec_driver_sql(f"UPDATE {LEGACY_MARK} SET version = {mark}")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def test_the_code_works_with_the_newest_migration() -> None:
    known = revisions()
    assert known[-1] == REVISION
    assert known == sorted(known)
    assert all(len(revision) == 4 and revision.isdigit() for revision in known)


def test_the_migrations_make_the_declared_tables(store: Store) -> None:
    with store.connections.snapshot() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": MARK})
        assert compare_metadata(context, METADATA) == []


def test_each_migration_goes_up_and_down_again(connections: Connections) -> None:
    made: dict[str | None, set[str]] = {None: tables(connections)}
    for revision in revisions():
        move(connections, revision)
        assert at(connections) == revision
        made[revision] = tables(connections)
    for revision in revisions()[::-1]:
        assert tables(connections) == made[revision]
        move(connections, revision)
        step = revisions().index(revision)
        move(connections, revisions()[step - 1] if step else BASE)
    assert at(connections) is None
    assert tables(connections) == {MARK}
    move(connections, REVISION)
    assert at(connections) == REVISION
    connections.close()


def test_data_survive_the_way_down_and_up(store: Store) -> None:
    store.put_bins(Bins.named(["a"]))
    store.put_readings(READINGS)
    before, versions = store.history().fingerprint(), store.versions()
    for to in (LEGACY, REVISION):
        move(store.connections, to)
    assert store.history().fingerprint() == before
    assert store.versions() == versions


def test_a_store_from_before_migrations_is_adopted_without_loss(store_url: str) -> None:
    make_legacy(store_url)
    with Store(store_url) as store:
        assert at(store.connections) == REVISION
        assert LEGACY_MARK not in tables(store.connections)
        assert len(store.history().readings) == 2
        assert store.versions() == {"a": 2, "b": 1}
        assert store.put_readings(READINGS).accepted == 0


def test_a_store_that_is_behind_is_refused_with_the_command_to_run(store_url: str) -> None:
    make_legacy(store_url)
    with pytest.raises(SchemaError, match=f"at revision 0001. Expected revision {REVISION}.*brimcast data migrate"):
        Store(store_url, migrate=False)
    assert run("migrate", "--store", store_url) == 0
    Store(store_url, migrate=False).close()


def test_an_empty_database_is_refused_where_nothing_may_be_migrated(store_url: str) -> None:
    Connections(store_url).engine.connect().close()
    with pytest.raises(SchemaError, match=r"no tables yet.*brimcast data migrate"):
        Store(store_url, migrate=False)


def test_a_store_that_is_not_there_is_not_made_where_nothing_may_be_migrated(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"no store.*brimcast data migrate"):
        Store(f"sqlite:///{tmp_path}/deep/store.db", migrate=False)
    assert not list(tmp_path.iterdir())


def test_the_setting_decides_whether_a_store_is_migrated(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_legacy(store_url)
    monkeypatch.setenv("BRIMCAST_STORE", store_url)
    monkeypatch.setenv("BRIMCAST_STORE_MIGRATE", "false")
    with pytest.raises(SchemaError):
        Store.of(read_settings())
    monkeypatch.setenv("BRIMCAST_STORE_MIGRATE", "true")
    Store.of(read_settings()).close()


@pytest.mark.parametrize("may_migrate", [True, False])
def test_a_newer_store_is_refused(store_url: str, may_migrate: bool) -> None:
    with Store(store_url) as store, store.connections.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE {MARK} SET version_num = '0099'")
    with pytest.raises(SchemaError, match=r"revision 0099, made by a newer Brimcast. Expected .*Install the Brimcast"):
        Store(store_url, migrate=may_migrate)
    assert run("migrate", "--store", store_url) == 1


def test_a_newer_store_from_before_migrations_is_refused(store_url: str) -> None:
    make_legacy(store_url, mark=99)
    with pytest.raises(SchemaError, match="0099"):
        Store(store_url)


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as connection:
        connection.execute("CREATE TABLE readings (x)")
    with pytest.raises(InputError, match="Brimcast did not make"):
        Store(f"sqlite:///{tmp_path / 'theirs.db'}")


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    store_url: str, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(connections, LEGACY)
    before = tables(connections)
    with connections.transaction() as connection:
        connection.exec_driver_sql(f"DROP TABLE {LEGACY_MARK}")  # the migration drops it last
    with pytest.raises(InputError, match="cannot be used"):
        Store(store_url)
    assert at(connections) == LEGACY
    assert tables(connections) == before - {LEGACY_MARK}
    connections.close()


def test_a_table_that_another_process_drops_meanwhile_is_no_failure(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL lists tables as of the snapshot, but reads them as they are: of a legacy store the mark is gone."""
    Store(store_url).close()

    def vanished(connection: sa.Connection) -> str:
        raise sa.exc.ProgrammingError(f"SELECT max(version) FROM {LEGACY_MARK}", {}, Exception("does not exist"))

    monkeypatch.setattr("data.store.revision_of", vanished)
    Store(store_url).close()
    with pytest.raises(InputError, match="cannot be used"):
        Store(store_url, migrate=False)


OPEN = "import sys; from data.store import Store; sys.stdin.read(1); Store(sys.argv[1]).close()"


def test_processes_that_start_at_once_migrate_once(store_url: str) -> None:
    make_legacy(store_url)
    words = [sys.executable, "-c", OPEN, store_url]
    started = [subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda process: process.communicate("x", timeout=120)[1], started))
    assert [process.returncode for process in started] == [0, 0], said
    with Store(store_url, migrate=False) as store:
        assert len(store.history().readings) == 2


def test_threads_that_start_at_once_make_one_store(store_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda url: Store(url).close(), [store_url] * 8))
    with Store(store_url, migrate=False) as store:
        assert store.put_readings(READINGS).accepted == 2


def test_migrate_tells_what_it_did(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("migrate", "--store", store_url) == 0
    assert f"from no tables to revision {REVISION}" in capsys.readouterr().out
    assert run("migrate", "--store", store_url) == 0
    assert f"is at revision {REVISION} already" in capsys.readouterr().out
    assert run("migrate", "--store", store_url, "--to", "0001") == 0
    assert f"from revision {REVISION} to revision 0001" in capsys.readouterr().out
    assert run("migrate", "--store", store_url, "--to", "0077") == 1
