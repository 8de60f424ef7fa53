"""A real MLflow server on PostgreSQL that asks for a password: fit, promote and load through it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from data.simulation import Simulation
from tests.conftest import TINY
from tests.e2e.conftest import Postgres
from training.commands import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STARTS_WITHIN_S = 180.0


@dataclass(frozen=True)
class TrackingServer:
    url: str
    password: str
    log: Path


@pytest.fixture
def server(postgres: Postgres, tmp_path: Path) -> Iterator[TrackingServer]:
    """`mlflow server` with basic auth; its runs and its users lie in PostgreSQL, its artifacts in a folder of its."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = postgres.url.replace("postgresql://", "postgresql+psycopg://", 1)
    password, log = secrets.token_urlsafe(16), tmp_path / "server.log"
    (tmp_path / "auth.ini").write_text(
        f"[mlflow]\ndatabase_uri = sqlite:///{tmp_path / 'users.db'}\ndefault_permission = READ\n"
        "admin_username = admin\nauth_cache_ttl_seconds = 60\n"  # else each request hashes the password anew
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = os.environ | {
        "MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = ["server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", database, "--artifacts-destination", str(tmp_path / "served")]
    with log.open("w") as written:
        started = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words], env=environment, cwd=tmp_path, stdout=written, stderr=written
        )
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + STARTS_WITHIN_S
        while not _answers(url):
            if started.poll() is not None or time.monotonic() > until:
                pytest.fail(f"mlflow server did not start: {log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield TrackingServer(url, password, log)
    finally:
        family = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_fit_promote_and_load_go_through_a_server_that_asks_for_a_password(
    server: TrackingServer,
    small_city: Simulation,
    small_city_folder: Path,
    tmp_path: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ["--readings", small_city_folder / "readings.parquet", "--bins", small_city_folder / "bins.csv"]
    (tmp_path / "settings.json").write_text(json.dumps(TINY))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not-" + server.password)
    how = ["--settings", tmp_path / "settings.json", "--no-scores"]
    code, _, err = run(capsys, "fit", *files, *how)
    assert code == 1
    assert "MLFLOW_TRACKING_PASSWORD" in err
    assert server.password not in err
    assert "Traceback" not in err

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    for version in (1, 2):
        code, out, err = run(capsys, "fit", *files, *how, "--seed", version)
        assert code == 0, err
        assert out.startswith(f"brimcast version {version} ")
    code, out, err = run(capsys, "promote", "2", "--force", "--reason", "a test")
    assert code == 0, err
    assert "version 2 is the champion now" in out
    (tmp_path / "windows.csv").write_text("bin_id,as_of,at\nbin-0001,2025-02-18T00:00Z,2025-02-18T12:00Z\n")
    forecasts = tmp_path / "forecasts.csv"
    code, out, err = run(capsys, "forecast", *files, "--windows", tmp_path / "windows.csv", "--out", forecasts)
    assert code == 0, err
    assert "brimcast/2" in forecasts.read_text()
    assert not (own_home / "mlflow.db").exists()
    assert not (own_home / "artifacts").exists()
    assert list((tmp_path / "served").rglob("MLmodel"))
    assert server.password not in server.log.read_text()
