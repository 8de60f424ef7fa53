"""The watch: one child process a service copies each new champion here, and has forecasts scored (`scorer.py`).

MLflow takes 165 MB and seconds to import, and its calls may hang for a minute: no worker should. What the watch finds
it tells in a file that every worker reads, and counts in the metrics that all processes of the service share.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.errors import BrimcastError, InputError
from data.outputs import whole
from data.settings import Settings, read_settings
from serving.logs import configure
from serving.scorer import Scorer

LOOK_AGAIN_S = 5.0
STEP_S = 5.0
ROOT = Path(__file__).resolve().parent.parent
TOLD, LOCK = "registry.json", ".watch.lock"
log = logging.getLogger("brimcast")


class Watch:
    """Keeps one watching process alive, whichever worker starts it: the others wait for its lock."""

    def __init__(self, settings: Settings) -> None:
        self._models, self._asked = settings.home / "models", bool(settings.registry_every_s or settings.score_every_s)
        self._ending = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="brimcast-watch", daemon=True)

    def begin(self) -> None:
        """Watch, in the background, until `end`; not at all where the settings say so."""
        if self._asked:
            self._thread.start()

    def end(self) -> None:
        """Let the child end, if it is ours."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()  # which it ends at, as it does when this process is killed

    def _keep(self) -> None:
        while not self._ending.is_set():
            try:
                if self._child is None or self._child.poll() is not None:
                    self._child = self._started()
            except OSError as error:
                log.error("the registry is not watched: %s", error)
            self._ending.wait(LOOK_AGAIN_S)

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The child, which holds the lock as long as it lives; None while another worker's does."""
        self._models.mkdir(parents=True, exist_ok=True)
        with (self._models / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            (self._models / TOLD).unlink(missing_ok=True)  # by a watch before this one: who knows how long ago
            search = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
            return subprocess.Popen(
                [sys.executable, "-m", "serving.watch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(lock.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(search))},
            )


def told(settings: Settings) -> dict[str, Any]:
    """What the watch found last, for /readyz: `ok`, whether the registry answered, `asked_at`, and a `detail`."""
    try:
        return dict(json.loads((settings.home / "models" / TOLD).read_text()))
    except (OSError, ValueError):
        return {"ok": False, "detail": "The registry has not been asked yet."}


def tell(settings: Settings, ok: bool, detail: str = "") -> None:
    """Say what was found, to whoever asks `told`."""
    folder = settings.home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    found = {"ok": ok, "asked_at": datetime.now(UTC).isoformat(timespec="seconds")}
    with whole(folder / TOLD) as draft:
        draft.write_text(json.dumps(found | ({"detail": detail} if detail else {})))


class Watcher:
    """What the child process does: ask for the champion, copy it if it is new, and say what came of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._refused = ""

    def look(self) -> None:
        """Ask once. A version that was refused is counted once, and downloaded again only when it was asked anew."""
        from serving.metrics import REFUSED, REGISTRY_ERRORS, REGISTRY_UP
        from training.registry import CHAMPION, NAME, Refused, newest_copy
        from training.tracking import RegistryError, find

        try:
            wanted = find(NAME, CHAMPION, self.settings)
            if wanted is None or repr(wanted) != self._refused:
                self._refused = ""
                newest_copy(NAME, CHAMPION, self.settings)
                tell(self.settings, True)
            REGISTRY_UP.set(1)
        except RegistryError as error:
            REGISTRY_UP.set(0)
            REGISTRY_ERRORS.inc()
            tell(self.settings, False, f"{error} The last good copy goes on answering.")
        except Refused as error:
            self._refused = repr(wanted)
            REGISTRY_UP.set(1)
            REFUSED.inc()
            log.error("%s", error)
            tell(self.settings, True, f"{error} The champion before it goes on answering.")
        except InputError as error:  # nothing has been registered yet
            REGISTRY_UP.set(1)
            tell(self.settings, True, str(error))


def main() -> None:
    """Watch until our parent closes our stdin, which it does at its end, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, for the whole group
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # a copy that is begun is taken away
    watcher, scorer = Watcher(settings := read_settings()), Scorer(settings)
    logging.basicConfig()
    configure(settings.log_level)
    every_s, next_look, wait_s = settings.registry_every_s, 0.0, 0.0
    try:
        while not select.select([sys.stdin], [], [], wait_s)[0]:
            scorer.look()
            if every_s and time.monotonic() >= next_look:
                try:
                    watcher.look()
                except (BrimcastError, OSError) as error:
                    log.error("the registry was not asked: %s", error)
                next_look = time.monotonic() + every_s
            wait_s = min(every_s or STEP_S, STEP_S)
    finally:
        scorer.end()


if __name__ == "__main__":
    main()
