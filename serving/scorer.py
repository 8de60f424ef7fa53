"""Scores the forecasts that are due, now and then, in a process of its own: `brimcast training scorecard`.

It takes MLflow's memory and a core for some seconds, then gives both back; no worker, and no answer, waits for it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time

from data.settings import Settings

SETTLED_S = 30.0
"""After a start the first forecasts are made: let them be."""
LONGEST_S = 1800.0
LOG = "scorecard.log"
log = logging.getLogger("brimcast")


class Scorer:
    """At most one such process at a time; `look` is called every few seconds, and waits for nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._every_s = settings, settings.score_every_s
        self._begun = time.monotonic() - self._every_s + min(SETTLED_S, self._every_s)
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it when it is time; say what it said where it failed; end it where it takes too long."""
        if self._process is not None:
            self._see(self._process)
        elif self._every_s and time.monotonic() - self._begun >= self._every_s:
            self._begun = time.monotonic()
            try:
                self._process = self._started()
            except OSError as error:
                log.error("forecasts are not scored: %s", error)

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _see(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is None and time.monotonic() - self._begun > LONGEST_S:
            process.kill()
            log.error("forecasts are not scored: it took more than %d s", LONGEST_S)
        elif code is not None:
            self._process = None
            if code:
                said = (self._settings.home / LOG).read_text(errors="replace").strip().splitlines()
                log.error("forecasts are not scored, or not logged: %s", said[-1][:500] if said else f"code {code}")

    def _started(self) -> subprocess.Popen[bytes]:
        self._settings.home.mkdir(parents=True, exist_ok=True)
        with (self._settings.home / LOG).open("wb") as said:
            return subprocess.Popen(
                ["nice", sys.executable, "-m", "training", "scorecard"],  # answers go first
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
