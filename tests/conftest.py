"""What every test shares: an own home for state, no network, a small simulated city, and strictness in CI."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

# Before numpy or LightGBM start their threads: two test processes with two spinning threads each are many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest

from data.simulation import CitySettings, Simulation, simulate

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"
# How tests fit: in seconds, for nothing but shape.
QUICK = {"networks": 1, "epochs": 1, "fewest_steps": 40, "threads": 1}
TINY = {"examples": 4_000, "trees": 8, "learning_rate": 0.3, **QUICK}
SMALL = {"examples": 3_000, "trees": 20, "leaf_examples": 20, **QUICK}
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing plots on a screen."""
    os.environ["MPLBACKEND"] = "agg"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Notebooks are slow tests; tests/real needs the real data."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.slow)
        if ROOT / "tests" / "real" in item.path.parents:
            item.add_marker(pytest.mark.real)
            if not REAL_DATA.is_dir():
                item.add_marker(pytest.mark.skip(reason=f"measures on real data, which is not here: no {REAL_DATA}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything that the slow tests need is installed, so a slow test that skips has failed."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("real") is not None
    if os.environ.get("CI") == "true" and report.skipped and not expected and item.get_closest_marker("slow"):
        report.outcome = "failed"
        report.longrepr = f"a slow test skipped although CI=true: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Likewise a whole file that skips (`importorskip`) while the slow tests are asked for."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and collector.config.getoption("markexpr") == "slow":
        report.outcome = "failed"
        report.longrepr = f"skipped although CI=true: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test never touches the state of the person who runs it, nor of another test."""
    for name in [name for name in os.environ if name.startswith(("BRIMCAST_", "MLFLOW_TRACKING", "MLFLOW_REGISTRY"))]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BRIMCAST_HOME", str(home))
    for name in ("BRIMCAST_REGISTRY_EVERY_S", "BRIMCAST_SCORE_EVERY_S"):
        monkeypatch.setenv(name, "0")  # no test's service starts processes of its own, unless asked
    return home


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Tests in this process reach loopback addresses and Unix sockets, nothing else."""
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: object) -> None:
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if inet and isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise PermissionError(f"a test wanted to connect to {address}; tests need nothing outside this machine")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", only_here)
        yield


@pytest.fixture(scope="session")
def small_city() -> Simulation:
    """Twelve bins over 45 days, the contract's noise."""
    return simulate(CitySettings(bins=12, days=45), np.random.default_rng(7))


@pytest.fixture(scope="session")
def small_city_folder(small_city: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small city's files, as `brimcast data simulate` writes them. Read only."""
    folder = tmp_path_factory.mktemp("small-city")
    small_city.write(folder)
    return folder
