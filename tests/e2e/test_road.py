"""The whole road with real processes: CSV, the store, a fit, the registry, the service, the due list over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.history import History
from data.settings import Settings
from serving.champion import fetch
from serving.demo import beginning
from serving.server import Server
from tests.conftest import TINY
from training.candidate import fit_candidate
from training.inputs import read_history
from training.registry import NAME, enter
from training.settings import ModelSettings
from training.tracking import log

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_from_csv_to_the_due_list_over_http(tmp_path: Path) -> None:
    from data.simulation import CitySettings, simulate_to
    from data.store import Store

    now = pd.Timestamp.now("UTC").as_unit("us")
    start = beginning(now.to_pydatetime(), 45)
    simulate_to(tmp_path / "city", bins=12, days=45, seed=3, settings=CitySettings(start=start))
    frame = pd.read_parquet(tmp_path / "city" / "readings.parquet")
    frame[frame["received_at"] <= now].to_csv(tmp_path / "readings.csv", index=False)
    home = tmp_path / "home"
    settings = Settings(
        home=home, store=f"sqlite:///{home / 'store.db'}", tracking_uri=f"sqlite:///{home / 'mlflow.db'}"
    )
    environment = {**os.environ, "BRIMCAST_HOME": str(home), "OMP_NUM_THREADS": "1"}
    readings, bins = str(tmp_path / "readings.csv"), str(tmp_path / "city" / "bins.csv")
    load = ["-m", "data", "load", "--readings", readings, "--bins", bins, "--store", settings.store]
    subprocess.run([sys.executable, *load], cwd=ROOT, env=environment, check=True)
    history: History = read_history(readings, bins).history
    quick = ModelSettings(**TINY)
    candidate = fit_candidate(history, readings, evaluate=False, settings=quick)
    enter(log(candidate, NAME, settings), settings)
    fetch(settings)
    by = (now + pd.Timedelta(hours=36)).isoformat()
    with Server(settings) as server, Store(settings.store) as store:
        server.wait_ready()
        answer = server.post("/v1/due", {"by": by, "risk": 0.1})
        as_of = pd.Timestamp(answer["as_of"])
        direct = candidate.model.forecast(store.history().until(as_of), as_of)
        p_full = dict(zip(direct.bin_ids, direct.p_full(pd.Timestamp(by)), strict=True))
        assert answer["due"]
        assert [one["p_full"] for one in answer["due"]] == pytest.approx(
            [p_full[one["bin_id"]] for one in answer["due"]]
        )
        due = subprocess.run(
            [sys.executable, "-m", "serving", "due", "--by", by, "--json"],
            cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert {one["bin_id"] for one in json.loads(due.stdout)["due"]} == {one["bin_id"] for one in answer["due"]}


@pytest.mark.slow
def test_a_bento_is_built_and_served(tmp_path: Path) -> None:
    bentoml = [sys.executable, "-m", "bentoml"]
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    built = subprocess.run(
        [*bentoml, "build", "--output", "tag", str(ROOT)], env=environment, check=True, capture_output=True, text=True
    )
    assert "brimcast:" in built.stdout
    (folder,) = [path for path in (tmp_path / "bentoml" / "bentos" / "brimcast").iterdir() if path.is_dir()]
    assert {path.name for path in (folder / "src").iterdir() if path.is_dir()} == {"data", "training", "serving"}
    code = "import serving.service, sys; print(serving.service.__file__)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(folder / 'src')!r}); {code}"],
        cwd=tmp_path, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert loaded.stdout.strip().startswith(str(folder))
    shutil.rmtree(tmp_path / "bentoml")
