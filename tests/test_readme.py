"""The README keeps its word: it is short, its links lead somewhere and its commands run.

A fenced block is named by the line before it, `<!-- ci: NAME -->`. `.ci/run` runs `demo` and `tests`; the others run
here.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.brimcast import ROOMS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^(?:<!-- ci: (?P<name>[\w-]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
RUN_BY_CI = {"demo", "tests"}
RUN_HERE = {"road", "picture"}


def blocks() -> dict[str, str]:
    """Text of each named block."""
    return {found["name"]: found["text"] for found in FENCED.finditer(README) if found["name"]}


def commands_of(room: str) -> set[str]:
    """Names of the commands that a room offers."""
    app = importlib.import_module(f"{room}.commands").app
    groups = {group.typer_instance.info.name for group in app.registered_groups}
    shown = [command for command in app.registered_commands if not command.hidden]
    return groups | {command.name or command.callback.__name__.replace("_", "-") for command in shown}


def run_block(name: str, folder: Path, *extra: str) -> str:
    """Run a block as a user would, in `folder`, with the tested environment's scripts first on the path."""
    environment = os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "BRIMCAST_HOME": str(folder / ".brimcast"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks()[name].strip() + "".join(f" {word}" for word in extra)],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_scripts_own_help_names_every_command(room: str) -> None:
    assert set(ROOMS[room].split(" | ")) == commands_of(room)


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_every_command_block_is_run_by_a_test_or_by_ci() -> None:
    unnamed = [found["text"] for found in FENCED.finditer(README) if found["language"] == "sh" and not found["name"]]
    assert unnamed == []
    assert set(blocks()) == RUN_BY_CI | RUN_HERE


def test_ci_takes_its_commands_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in RUN_BY_CI:
        assert f"$(readme {name})" in script
        assert len(blocks()[name].strip().splitlines()) == 1, "one command, to which CI can append an option"


def test_every_link_and_picture_of_the_readme_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert any(link.endswith((".png", ".svg")) for link in links)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_picture_is_small() -> None:
    [picture] = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert (ROOT / picture).stat().st_size < 200_000


def test_every_command_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"\bbrimcast (data|training|serving) ([a-z]+)", README))
    assert {room for room, _ in named} == {"data", "training", "serving"}
    assert [(room, command) for room, command in sorted(named) if command not in commands_of(room)] == []


def test_every_file_and_folder_that_the_readme_names_exists() -> None:
    places = re.findall(r"`((?:data|training|serving|notebooks|tests|\.ci)/[\w./-]*)`", README)
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.slow  # a fit, a backtest with every baseline: three minutes on one busy core
@pytest.mark.timeout(900)
def test_the_whole_road_runs_and_ends_in_a_due_list(tmp_path: Path) -> None:
    assert len(blocks()["road"].strip().splitlines()) <= 10
    assert "bin_id" in run_block("road", tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_picture_is_made_by_its_command(tmp_path: Path) -> None:
    picture = tmp_path / "forecast.png"
    done = run_block("picture", ROOT, "--out", str(picture))
    assert picture.stat().st_size > 5_000, done
