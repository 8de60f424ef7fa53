"""A worker ends with the process that started it, however that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import signal, sys, time
from serving import parent
parent.EVERY_S = 0.05
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("asked to end", flush=True)))
looking = parent.Parent()
looking.begin()
print("begun", flush=True)
if sys.argv[1] == "left": looking.end()
time.sleep(3)
print("still here", flush=True)
"""
TOP = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); time.sleep(60)"


@pytest.mark.parametrize(("looked", "then"), [("on", "asked to end\n"), ("left", "still here\n")])
def test_a_worker_is_asked_to_end_once_its_parent_was_killed(looked: str, then: str) -> None:
    words = [sys.executable, "-c", TOP, WORKER, looked]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as top:
        assert top.stdout is not None
        assert top.stdout.readline() == "begun\n"
        top.kill()
        assert top.stdout.read() == then  # to its end: nobody holds it open any more
