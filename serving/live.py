from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from data.errors import BrimcastError
from data.settings import Settings
from serving.champion import Champion, Copy
from serving.problems import Problem

if TYPE_CHECKING:
    from data.store import Store

log = logging.getLogger("brimcast")


def clock() -> pd.Timestamp:
    """The service's clock: now, UTC."""
    return pd.Timestamp.now("UTC").as_unit("us")


class Live:
    """What a running service answers from: its store, its model and its clock. Each is reached when first needed.

    So a database or a registry that is down makes answers 503 and /readyz say why, and mends itself when it is back.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        copy: Copy,
        now: Callable[[], pd.Timestamp] = clock,
    ) -> None:
        self._open_store, self._copy, self.now = open_store, copy, now
        self._store: Store | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> Live:
        """On the configured store and the local copy of the champion."""
        from data.store import Store

        return cls(lambda: Store.of(settings), Copy(settings))

    def store(self) -> Store:
        """The store, opened once. Raises Problem 503."""
        with self._lock:
            if self._store is None:
                try:
                    self._store = self._open_store()
                except (BrimcastError, SQLAlchemyError, OSError) as error:
                    log.error("the store does not open: %s", error)
                    raise Problem(503, "The store cannot be reached; try again, and see the service's log.") from error
            return self._store

    def champion(self) -> Champion:
        """The champion. Raises Problem 503."""
        return self._copy.champion()

    def warm(self) -> None:
        """Open the store and load the model, if they can be; what fails is told by `state`."""
        self.state()

    def some_bins(self, count: int) -> list[str]:
        """The first few bins, for examples; none while the store does not answer."""
        try:
            return sorted(self.store().versions())[:count]
        except (Problem, BrimcastError, SQLAlchemyError):
            return []

    def state(self) -> dict[str, Any]:
        """What /readyz says."""
        try:
            store: dict[str, Any] = {"ok": True, "bins": len(self.store().versions())}
        except (Problem, BrimcastError, SQLAlchemyError, OSError) as error:
            detail = error.detail if isinstance(error, Problem) else "The store does not answer."
            store = {"ok": False, "detail": detail}
        model = self._copy.state()
        return {"ready": bool(store["ok"] and model["ok"]), "store": store, "model": model}
