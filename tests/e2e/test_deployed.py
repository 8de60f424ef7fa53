"""As it is deployed: a built bento that knows its environment alone, and several services on one PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data.store import Store
from serving import keys
from serving.server import free_port
from tests.e2e.conftest import City, Postgres, client, rows, settings_of, stored, told, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.timeout(400)
def test_a_bento_starts_with_environment_variables_alone(city: City, home: Path, tmp_path: Path) -> None:
    bentoml = [sys.executable, "-m", "bentoml"]
    built = {**os.environ, "BENTOML_HOME": str(tmp_path / "build"), "BENTOML_DO_NOT_TRACK": "true"}
    subprocess.run([*bentoml, "build", str(ROOT)], env=built, check=True, capture_output=True)
    [folder] = [path for path in (tmp_path / "build" / "bentos" / "brimcast").iterdir() if path.is_dir()]
    bento = tmp_path / "bento"
    shutil.copytree(folder, bento)
    shutil.rmtree(tmp_path / "build")
    shutil.rmtree(home / "models")  # as in a new container: the champion must be fetched
    token, key = keys.new_key("planners", ["read"])
    port = free_port()
    plain = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environment = plain | {
        "BENTOML_HOST": "0.0.0.0", "BENTOML_PORT": str(port), "BENTOML_HOME": str(tmp_path / "home"),
        "BRIMCAST_HOME": str(home), "BRIMCAST_KEYS": key.line(), "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}", "BRIMCAST_STORE": f"sqlite:///{home / 'store.db'}",
        "BRIMCAST_REGISTRY_EVERY_S": "1",
    }  # fmt: skip
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*bentoml, "serve", str(bento)], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as asking:

            def ready() -> bool:
                try:
                    return asking.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            until(ready, 90, f"the bento is not ready: {log.read_text()[-3000:]}")
            asked = {"bin_ids": ["bin-0001"]}
            assert asking.post("/v1/forecast", json=asked).status_code == 401
            answer = asking.post("/v1/forecast", json=asked, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["forecasts"][0]["points"]
            assert token not in log.read_text()
            lines = [line for line in log.read_text().splitlines() if line.startswith("{")]  # BentoML's first are not
            assert any(json.loads(line)["message"].startswith("answering with version") for line in lines)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.timeout(400)
def test_two_services_on_one_database_give_the_same_answers(
    city: City, home: Path, postgres: Postgres, served: Callable[..., Any], tmp_path: Path
) -> None:
    first = settings_of(home, store=postgres.url, registry_every_s=0)
    shutil.copytree(home / "models", tmp_path / "other" / "models")
    second = settings_of(tmp_path / "other", store=postgres.url, registry_every_s=0)
    with Store(f"sqlite:///{home / 'store.db'}") as source, Store(postgres.url) as store:
        history = source.history()
        store.put(history.readings, history.emptyings, history.bins)
    with ExitStack() as stack:
        servers = [stack.enter_context(served(settings)) for settings in (first, second)]
        one, two = (stack.enter_context(client(server)) for server in servers)
        at = (pd.Timestamp.now("UTC") - pd.Timedelta(minutes=1)).isoformat()
        ids = [f"bin-{place:04d}" for place in range(1, 13)]
        asked = {"bin_ids": ids, "as_of": at}
        assert one.post("/v1/forecast", json=asked).json() == two.post("/v1/forecast", json=asked).json()
        by = (pd.Timestamp.now("UTC") + pd.Timedelta(hours=30)).isoformat()
        due = {"by": by, "risk": 0.2, "as_of": at}
        assert one.post("/v1/due", json=due).json() == two.post("/v1/due", json=due).json()
        assert one.get("/v1/bins").json() == two.get("/v1/bins").json()

        # What one acknowledges, the other's next answer has seen; and both may write the same bin by turns.
        sent: list[dict[str, Any]] = []
        for place in range(12):
            row = rows("bin-0001", 200_000 + place, 1)[0] | {
                "measured_at": (pd.Timestamp.now("UTC") - pd.Timedelta(seconds=30 - place)).isoformat(),
                "fill_pct": 20.0 + place,
            }
            sent.append(row)
            here, there = (one, two) if place % 2 else (two, one)
            assert here.post("/v1/readings", json={"readings": [row]}).json()["accepted"] == 1
            newest = there.post("/v1/forecast", json={"bin_ids": ["bin-0001"]}).json()["forecasts"][0]
            assert pd.Timestamp(newest["last_reading_at"]) == pd.Timestamp(row["measured_at"])
        assert told(sent) <= stored(first, "bin-0001")
        here, there = (c.post("/v1/due", json={"by": by, "risk": 0.2}).json() for c in (one, two))
        assert [b["bin_id"] for b in here["skipped"]] == [b["bin_id"] for b in there["skipped"]]
