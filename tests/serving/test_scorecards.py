"""The scorecard that the scoring process left is told as it is: by HTTP, as metrics, and by /readyz."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.settings import Settings
from serving import scorer as scorer_module
from serving.live import Live
from serving.scorecards import FILE, last_scorecard
from serving.scorer import Scorer
from tests.serving.test_metrics import value

BASE = {"n": 90, "bins": 9, "crps": 5.0, "mae": 6.0, "cover80": 0.7, "brier": 0.2}
OWN = {"n": 100, "bins": 9, "crps": 4.0, "mae": 5.0, "cover80": 0.8, "brier": 0.1, "skill": 0.2}
OVERALL = OWN | {"horizon_h": None, "baseline": BASE, "skill95": [0.1, 0.3]}
BY_HORIZON = [OVERALL | {"horizon_h": 6.0}]
CARD = {
    "made_at": "2026-03-02T12:00:00+00:00", "since": "2026-02-16T12:00:00+00:00", "span": None,
    "given": 160, "scored": 100, "not_yet_due": 40, "unscored": {"emptied_between": 20}, "against": "weekday-rate",
    "overall": OVERALL, "by_horizon": BY_HORIZON,
    "by_model": [{"role": "champion", "model_name": "brimcast", "model_version": "7", "overall": OVERALL,
                  "by_horizon": BY_HORIZON}],
    "shadow": {"ok": False, "version": "9", "asked": 0, "detail": "Version 9 does not answer: no idea"},
}  # fmt: skip


@pytest.fixture
def scored(service: Any, live: Callable[[Live], None], tmp_path: Path) -> Callable[[Any], None]:
    """Leaves a scorecard for the service to tell."""
    settings = Settings(home=tmp_path)
    asking = Live(
        lambda: service.store, service.copy, lambda: service.now[0], scorecard=lambda: last_scorecard(settings)
    )
    live(asking)

    def leave(content: Any) -> None:
        (tmp_path / FILE).write_text(content if isinstance(content, str) else json.dumps(content))

    return leave


def test_before_anything_is_scored_the_scorecard_is_empty(scored: Any, service: Any) -> None:
    answer = service.ask("GET", "/v1/scorecard")
    assert answer.status_code == 200
    assert answer.json() | {"made_at": None, "scored": 0, "overall": None} == answer.json()
    assert "brimcast_live_" not in service.ask("GET", "/metrics").text


def test_the_scorecard_is_told_as_it_was_left(scored: Any, service: Any) -> None:
    scored(CARD)
    told = service.ask("GET", "/v1/scorecard").json()
    assert told["overall"]["baseline"]["crps"] == 5.0
    assert told["by_horizon"][0]["horizon_h"] == 6.0
    assert told["unscored"] == {"emptied_between": 20}
    assert told["by_model"][0]["model_version"] == "7"
    assert told["made_at"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize("broken", ["", "{", json.dumps({"given": "many"})])
def test_a_broken_scorecard_is_none(scored: Any, service: Any, broken: str) -> None:
    scored(broken)
    assert service.ask("GET", "/v1/scorecard").json()["made_at"] is None


def test_scores_are_metrics_by_role_version_and_horizon(scored: Any, service: Any) -> None:
    scored(CARD)
    text = service.ask("GET", "/metrics").text
    labels = {"role": "champion", "version": "7", "horizon_h": "all"}
    assert value(text, "brimcast_live_crps", **labels) == 4.0
    assert value(text, "brimcast_live_baseline_cover80", **labels) == 0.7
    assert value(text, "brimcast_live_skill", **(labels | {"horizon_h": "6"})) == 0.2
    assert value(text, "brimcast_live_forecasts", state="not_yet_due") == 40
    assert value(text, "brimcast_live_scored_timestamp_seconds") == 1772452800


def test_a_broken_challenger_is_told_and_the_service_is_ready(scored: Any, service: Any) -> None:
    service.know(a=40)
    scored(CARD)
    ready = service.ask("GET", "/readyz")
    assert ready.status_code == 200
    assert ready.json()["scores"] == {
        "ok": False, "scored_at": "2026-03-02T12:00:00+00:00", "challenger": "9",
        "detail": "Version 9 does not answer: no idea",
    }  # fmt: skip


# ---------------------------------------------------------------- the process that scores


class Started(list[list[str]]):
    """Commands that a scorer started, each replaced by a few words of Python."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
        super().__init__()
        popen = subprocess.Popen

        def start(words: list[str], **more: Any) -> Any:
            self.append(words)
            return popen([sys.executable, "-c", code], **more)

        monkeypatch.setattr(scorer_module.subprocess, "Popen", start)


def looked(scorer: Scorer, times: int = 1) -> None:
    for _ in range(times):
        if scorer._process is not None:
            scorer._process.wait(20)
        scorer.look()


def test_forecasts_are_scored_again_and_again_one_process_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Started(monkeypatch, "pass")
    scorer = Scorer(Settings(home=tmp_path, score_every_s=0.01))
    time.sleep(0.02)
    looked(scorer)
    assert started == [["nice", sys.executable, "-m", "training", "scorecard"]]
    looked(scorer)  # it has ended
    time.sleep(0.02)
    looked(scorer)
    assert len(started) == 2


def test_one_that_fails_is_told_with_what_it_said_last_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = Started(monkeypatch, "raise SystemExit('no registry')")
    scorer = Scorer(Settings(home=tmp_path, score_every_s=0.01))
    for _ in range(4):
        time.sleep(0.02)
        looked(scorer)
    assert len(started) == 2
    assert "no registry" in caplog.text


def test_one_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Started(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(scorer_module, "LONGEST_S", 0.0)
    scorer = Scorer(Settings(home=tmp_path, score_every_s=0.01))
    time.sleep(0.02)
    scorer.look()
    process = scorer._process
    scorer.look()
    assert process is not None
    assert process.wait(10) != 0
    assert "took more than" in caplog.text


def test_nothing_is_scored_where_the_settings_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, "pass")
    looked(Scorer(Settings(home=tmp_path, score_every_s=0)), 3)
    assert started == []
