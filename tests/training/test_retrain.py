"""What cron runs: monitor, and where it says so fit and promote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from data.settings import Settings
from tests.conftest import TINY
from training import tracking

DEPLOY = Path(__file__).resolve().parents[2] / "training" / "deploy"
STUB = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
if [ "$2" = monitor ]; then echo "$SAYS"; exit "$CODE"; fi
if [ "$2" = promote ]; then exit "${PROMOTES:-0}"; fi
"""


def retrain(tmp_path: Path, *words: str, **environment: str) -> tuple[int, list[str]]:
    stub, calls = tmp_path / "brimcast", tmp_path / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)
    given = os.environ | {"BRIMCAST": str(stub), "CALLS": str(calls)} | environment
    done = subprocess.run([DEPLOY / "retrain.sh", *words], env=given, capture_output=True, text=True, check=False)
    return done.returncode, calls.read_text().splitlines()


def test_a_healthy_champion_is_left_alone(tmp_path: Path) -> None:
    assert retrain(tmp_path, "--readings", "r", CODE="0", SAYS='{"retrain": false}') == (
        0, ["training monitor --readings r --json"],
    )  # fmt: skip


def test_where_it_is_advised_a_challenger_is_fitted_and_judged(tmp_path: Path) -> None:
    code, calls = retrain(tmp_path, "--readings", "r", CODE="1", SAYS='{"retrain": true}', BRIMCAST_FIT="--seed 3")
    assert code == 0
    assert calls[1:] == ["training fit --readings r --seed 3", "training promote --readings r"]


def test_a_refused_challenger_is_told_by_the_exit_code(tmp_path: Path) -> None:
    code, calls = retrain(tmp_path, "--readings", "r", CODE="1", SAYS='{"retrain": true}', PROMOTES="1")
    assert (code, len(calls)) == (1, 3)


@pytest.mark.parametrize("code", ["1", "2"])
def test_a_fault_trains_nothing(tmp_path: Path, code: str) -> None:
    assert retrain(tmp_path, "--readings", "r", CODE=code, SAYS="") == (1, ["training monitor --readings r --json"])


def test_the_workflow_runs_the_script_with_what_it_needs() -> None:
    workflow = yaml.safe_load((DEPLOY / "retrain.yaml").read_text())
    job = workflow["jobs"]["retrain"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[-1] == 'training/deploy/retrain.sh --readings "$BRIMCAST_STORE"'
    assert {"BRIMCAST_STORE", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD"} <= set(job["env"])
    assert workflow[True]["schedule"]  # YAML 1.1 reads `on` as true


@pytest.mark.slow
@pytest.mark.timeout(900)  # processes that fit and judge: three minutes beside another test
def test_a_city_that_changed_gets_a_new_champion(tmp_path: Path, settings: Settings) -> None:
    from tests.training.test_monitor import changed_city

    brimcast, how = tmp_path / "brimcast", tmp_path / "how.json"
    brimcast.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from serving.brimcast import main; main()" "$@"\n')
    brimcast.chmod(0o755)
    how.write_text(json.dumps(TINY))
    files, changed = changed_city(tmp_path)
    environment = os.environ | {
        "BRIMCAST": str(brimcast), "BRIMCAST_FIT": f"--settings {how}", "PYTHONPATH": str(DEPLOY.parents[1]),
    }  # fmt: skip

    def go(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=False)

    done = go(brimcast, "training", "fit", *files, "--until", changed.isoformat(), "--settings", how, "--no-scores")
    assert done.returncode == 0, done.stderr
    done = go(DEPLOY / "retrain.sh", *files)
    assert "is to be trained anew" in done.stderr
    assert "brimcast version 2" in done.stdout, done.stderr
    newest = tracking.find("brimcast", "challenger", settings)
    champion = tracking.find("brimcast", "champion", settings)
    assert newest is not None
    assert champion is not None
    assert (newest.version, champion.version) == (2, 2 if done.returncode == 0 else 1)
