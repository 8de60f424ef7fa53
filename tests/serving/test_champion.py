"""Which model answers when a copy does not load, or loads and does not forecast; and what the watch tells."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from data.settings import Settings
from serving import champion as champion_module
from serving.champion import Champion, Copy
from serving.live import Live
from serving.metrics import REFUSED, REGISTRY_ERRORS, REGISTRY_UP
from serving.problems import Problem
from serving.watch import Watch, Watcher, tell, told
from training import registry, tracking
from training.tracking import Registered, RegistryError


def value(metric: Any) -> float:
    """A metric's value now."""
    return float(metric._value.get())


class Copies:
    """What lies on the disk: the version copied last, and those that do not load."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.last: int | None = None
        self.broken: set[int] = set()
        self.loads: list[int] = []
        monkeypatch.setattr(champion_module, "LOOK_AGAIN_S", 0.0)
        monkeypatch.setattr(registry, "last_copy", lambda settings: self.last and (Path(str(self.last)), self.last))
        monkeypatch.setattr(Champion, "load", self.load)

    def load(self, folder: Path) -> Champion:
        self.loads.append(int(folder.name))
        if int(folder.name) in self.broken:
            raise InputError(f"{folder} is broken", expected="a model", remedy="Fit one.")
        return Champion(object(), "brimcast", folder.name)  # type: ignore[arg-type]  # a stand-in


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    return Copies(monkeypatch)


def test_a_copy_that_does_not_load_is_counted_once_and_the_one_before_answers(copies: Copies, tmp_path: Path) -> None:
    copy, before = Copy(Settings(home=tmp_path)), value(REFUSED)
    with pytest.raises(Problem):
        copy.champion()
    copies.last = 1
    assert copy.champion().version == "1"
    copies.last, copies.broken = 2, {2}
    for _ in range(5):
        assert copy.champion().version == "1"
    assert copies.loads == [1, 2]
    assert value(REFUSED) == before + 1
    assert "version 2" in copy.state()["detail"]
    copies.last = 3
    assert copy.champion().version == "3"
    assert "detail" not in copy.state()


def test_a_model_that_loads_and_does_not_forecast_is_refused_by_the_background(
    service: Any, copies: Copies, live: Callable[[Live], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.know(a=90)
    models = {1: service.champion.model, 2: Broken()}
    monkeypatch.setattr(Champion, "load", lambda folder: Champion(models[int(folder.name)], "brimcast", folder.name))
    copies.last, before = 1, value(REFUSED)
    answering = Live(lambda: service.store, Copy(Settings(home=tmp_path)), lambda: service.now[0])
    live(answering)
    answering.freshen()
    answering._keeper = threading.Thread()  # as if it were running
    copies.last = 2
    with pytest.raises(RuntimeError, match="no idea"):
        answering.freshen()
    answering.freshen()
    assert value(REFUSED) == before + 1
    assert service.post("/v1/forecast", {"bin_ids": ["a"]})["model"]["version"] == "1"
    assert "no idea" in service.ask("GET", "/readyz").json()["model"]["detail"]


class Broken:
    """A model that cannot forecast."""

    HISTORY_DAYS = 28.0
    reads_weather = False

    def __init__(self) -> None:
        self.card: dict[str, Any] = {}

    def forecast(self, *_: object) -> None:
        raise RuntimeError("no idea")


# ---------------------------------------------------------------- the watch


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def offered(monkeypatch: pytest.MonkeyPatch, version: int, answer: Exception | None = None) -> list[int]:
    """Let the registry name this champion, and copying it end so; returns what was copied."""
    asked: list[int] = []

    def copied(*_: object) -> tuple[Path, int]:
        asked.append(version)
        if answer is not None:
            raise answer
        return Path(), version

    monkeypatch.setattr(tracking, "find", lambda *_: Registered("brimcast", version, "run"))
    monkeypatch.setattr(registry, "newest_copy", copied)
    return asked


def test_nobody_has_asked_before_the_watch_has(settings: Settings) -> None:
    assert told(settings)["ok"] is False


def test_what_a_watch_of_before_found_is_not_told_as_if_it_held(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(settings, True)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: None)  # a watch that has not asked yet
    Watch(settings)._started()
    assert told(settings) == {"ok": False, "detail": "The registry has not been asked yet."}


def test_a_registry_that_does_not_answer_is_told_and_counted_each_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, before = Watcher(settings), value(REGISTRY_ERRORS)
    offered(monkeypatch, 1, RegistryError("It is away", expected="an answer", remedy="Wait."))
    watcher.look()
    watcher.look()
    assert value(REGISTRY_ERRORS) == before + 2
    assert value(REGISTRY_UP) == 0
    assert told(settings)["detail"].startswith("It is away.")
    offered(monkeypatch, 1)
    watcher.look()
    assert value(REGISTRY_UP) == 1
    assert told(settings).keys() == {"ok", "asked_at"}


def test_a_version_that_was_refused_is_not_fetched_again_until_another_is_champion(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, before = Watcher(settings), value(REFUSED)
    asked = offered(monkeypatch, 2, registry.Refused("Version 2 is broken", expected="a model", remedy="Roll back."))
    for _ in range(3):
        watcher.look()
    assert (asked, value(REFUSED)) == ([2], before + 1)
    assert "The champion before it goes on answering" in told(settings)["detail"]
    assert told(settings)["ok"] is True
    assert offered(monkeypatch, 1) == []
    watcher.look()
    assert "detail" not in told(settings)
