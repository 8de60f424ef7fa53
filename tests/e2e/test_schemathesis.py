"""Schemathesis sends what the service's own OpenAPI document allows, and what it does not, with all its checks on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving import keys
from tests.e2e.conftest import City, client, settings_of

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent
FUZZING_S = 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("keyed", [True, False])
def test_every_answer_holds_to_the_document(
    keyed: bool, city: City, home: Path, served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIMCAST_REQUESTS_PER_MIN", "1000000")
    settings = settings_of(home, registry_every_s=0)
    token = keys.create(settings, "fuzz", ["admin"])[0] if keyed else ""
    with served(settings) as server, client(server) as asking:
        # Without keys only what is special of that: few cases.
        phases = ["--phases", "examples,coverage,fuzzing,stateful", "--max-time", str(FUZZING_S)]
        words = ["-H", f"Authorization: Bearer {token}", *phases] if keyed else ["--phases", "examples,coverage"]
        done = subprocess.run(
            [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
             f"{server.url}/docs.json", "--checks", "all", "--continue-on-failure", "--suppress-health-check", "all",
             "--seed", "1", "--no-color", *words],
            cwd=ROOT, env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "No issues found" in done.stdout
        assert "Selected: 0" not in done.stdout
        assert asking.get("/healthz").status_code == 200
        counted = asking.get("/metrics", headers={"authorization": f"Bearer {token}"} if keyed else {}).text
        lines = [line for line in counted.splitlines() if line.startswith("brimcast_requests_total")]
        assert len(lines) > 20
        assert [line for line in lines if 'status="500"' in line] == []
