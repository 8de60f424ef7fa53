"""The model that answers: the champion, from its local copy. MLflow is never asked on a request's path."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BrimcastError
from data.settings import Settings
from serving.metrics import REFUSED
from serving.problems import Problem, without_places
from serving.watch import told as told_of_registry

if TYPE_CHECKING:
    from training.model import FillModel

LOOK_AGAIN_S = 2.0
FIT = "fit one with `brimcast training fit`; the service takes it within a minute"
log = logging.getLogger("brimcast")


@dataclass(frozen=True)
class Champion:
    """A loaded model and what the registry calls it."""

    model: FillModel
    name: str
    version: str

    @classmethod
    def load(cls, folder: Path) -> Champion:
        """The model in a folder that the registry was copied to, or that `FillModel.save` wrote."""
        from training.model import FillModel
        from training.registry import NAME, registered_as

        model, note = FillModel.load(folder), registered_as(folder)
        card = model.card
        return cls(
            model,
            str(note.get("name") or card.get("name") or NAME),
            str(note.get("version") or card.get("version") or card.get("fingerprint") or "unregistered"),
        )


def fetch(settings: Settings) -> tuple[Path, int]:
    """Copy the registry's champion here, or keep the last good copy when the registry is down. Takes seconds.

    Raises InputError where there is no champion or it is no model of ours, RegistryError where there is neither a
    registry nor a copy.
    """
    from training.registry import local_copy

    return local_copy(settings=settings)


class Copy:
    """The champion's local copy, loaded when first asked for, and again when another version has been copied."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: tuple[Path, int, int] | None = None
        self._champion: Champion | None = None
        self._before: Champion | None = None
        self._looked = float("-inf")
        self.trouble = f"no model has been copied here; {FIT}"

    def champion(self) -> Champion:
        """The champion. Raises Problem 503 while there is none that loads."""
        if time.monotonic() - self._looked > LOOK_AGAIN_S:
            with self._lock:
                self._look()
        if self._champion is None:
            raise Problem(503, f"There is no model to forecast with: {self.trouble}.")
        return self._champion

    def refuse(self, champion: Champion, error: Exception) -> None:
        """Answer with the champion before this one, which has turned out not to forecast; without one, go on."""
        with self._lock:
            if self._champion is champion and self._before is not None:
                self._champion, self._before = self._before, None
                self._is_refused(champion.version, error)

    def _look(self) -> None:
        from training.registry import copied_at, last_copy

        copied = last_copy(settings=self._settings)
        if copied is not None and (seen := (*copied, copied_at(copied[0]))) != self._seen:
            self._seen = seen  # what does not load now will not load the next time, unless it is copied again
            try:
                loaded = Champion.load(copied[0])
            except (BrimcastError, OSError, ValueError, KeyError) as error:  # the model before goes on answering
                self._is_refused(str(copied[1]), error)
            else:
                self._before, self._champion, self.trouble = self._champion, loaded, ""
                log.info("answering with version %s of %s", loaded.version, loaded.name)
        self._looked = time.monotonic()

    def _is_refused(self, version: str, error: Exception) -> None:
        REFUSED.inc()
        self.trouble = without_places(f"version {version} does not answer: {error}")
        log.error("version %s does not answer: %s", version, error)

    def state(self) -> dict[str, Any]:
        """What /readyz says of the model."""
        try:
            champion = self.champion()
        except Problem:
            return {"ok": False, "detail": self.trouble}
        told = {"ok": True, "name": champion.name, "version": champion.version}
        return told | ({"detail": self.trouble} if self.trouble else {})

    def registry(self) -> dict[str, Any]:
        """What /readyz says of the registry, which nobody waits for."""
        found = told_of_registry(self._settings)
        return found | ({"detail": without_places(str(found["detail"]))} if "detail" in found else {})
