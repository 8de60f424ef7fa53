from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from data.errors import BrimcastError
from data.settings import Settings
from serving.champion import Champion, Copy
from serving.moments import utc
from serving.outlook import Outlook, read_outlook
from serving.problems import Problem
from serving.pulse import Pulse
from serving.recorder import Recorder
from serving.scorecards import Scorecard, last_scorecard, scores_told
from serving.state import State
from serving.traces import span

if TYPE_CHECKING:
    from data.store import Store

LOOK_AGAIN_S = 5.0
REFRESHED = pd.Timedelta(minutes=3)
"""Forecasts of this age are made again in the background, so that requests meet none that is five minutes old."""
WAIT_S = 1.5
"""How long a request waits for the database, or for who holds its locks, before it is answered 503."""
OPENED_AGAIN_S = 0.5
MANY, CITIES = 1_000, 2
"""Answers over more bins than MANY hold tens of megabytes each while they are made: so many at a time."""
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
        pulse: Pulse | None = None,
        record_share: float = 0.0,
        scorecard: Callable[[], Scorecard] = Scorecard,
    ) -> None:
        self._open_store, self._copy, self.now, self._pulse = open_store, copy, now, pulse
        self.scorecard = scorecard
        self._recorder = Recorder(lambda given: self.store().put_given(given), record_share, now)
        self._store: Store | None = None
        self._state: State | None = None
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._failed = float("-inf")
        self._cities = threading.BoundedSemaphore(CITIES)
        self._keeper: threading.Thread | None = None
        self._ending = threading.Event()

    @classmethod
    def of(cls, settings: Settings) -> Live:
        """On the configured store and the local copy of the champion."""
        from data.store import Store

        asked: list[Store] = []  # its own connection: what other requests hold says nothing of the database

        def ping() -> None:
            if not asked:
                asked.append(Store.of(settings, WAIT_S))
            asked[0].ping()

        return cls(
            lambda: Store.of(settings, WAIT_S),
            Copy(settings),
            pulse=Pulse(ping),
            record_share=settings.record_share,
            scorecard=lambda: last_scorecard(settings),
        )

    def store(self) -> Store:
        """The store, opened once. Raises Problem 503; while one request tries to open it, the others wait for that."""
        if self._store is not None:
            return self._store
        down = Problem(503, "The store cannot be reached; try again, and see the service's log.")
        with self._opening:
            if self._store is None:
                if time.monotonic() - self._failed < OPENED_AGAIN_S:  # those that waited do not try one after the other
                    raise down
                try:
                    self._store = self._open_store()
                except (BrimcastError, SQLAlchemyError, OSError) as error:
                    self._failed = time.monotonic()
                    log.error("the store does not open: %s", error)
                    raise down from error
            return self._store

    def room(self, bin_ids: Sequence[str] | None) -> AbstractContextManager[Any]:
        """Within it there is memory for an answer over these bins (default: all)."""
        return nullcontext() if bin_ids is not None and len(bin_ids) <= MANY else self._cities

    def is_down(self) -> bool:
        """Whether the store is known not to answer now, as far as anybody asks."""
        return self._pulse is not None and self._pulse.down

    def champion(self) -> Champion:
        """The champion. Raises Problem 503."""
        return self._copy.champion()

    def warm(self) -> None:
        """Open the store and load the model, if they can be; what fails is told by `state`."""
        self.readiness()

    def state(self) -> State:
        """The forecasts to answer from. While they are kept fresh, a new champion's are filled before it answers."""
        champion = self.champion()
        with self._lock:
            if self._state is None or (self._keeper is None and self._state.champion is not champion):
                self._state = State(champion, self._recorder.note)
            return self._state

    def kept(self) -> State | None:
        """The forecasts that are kept now, however old; None before there are any. Asks nobody."""
        return self._state

    def outlook(self, bin_ids: Sequence[str] | None, as_of: datetime | None, now: pd.Timestamp) -> Outlook:
        """The outlook of these bins, each once (default: all): from memory, or, as of another moment, from the store.

        Raises Problem.
        """
        ids = None if bin_ids is None else list(dict.fromkeys(bin_ids))
        with span("outlook", bins=-1 if ids is None else len(ids)):
            if as_of is None:
                return self.state().outlook(self.store(), ids, now)
            return read_outlook(self.champion(), self.store(), ids, utc(as_of), now)

    def keep_fresh(self) -> None:
        """Fill the state in the background, and keep it fresh until `end`; ask the store whether it answers.

        Some of what is forecast is recorded.
        """
        self._recorder.begin()
        if self._pulse is not None:
            self._pulse.begin()
        self._keeper = threading.Thread(target=self._keep, name="brimcast-state", daemon=True)
        self._keeper.start()

    def end(self) -> None:
        """Stop keeping the state fresh; record what is still noted."""
        self._ending.set()
        self._recorder.end()
        if self._pulse is not None:
            self._pulse.end()

    def _keep(self) -> None:
        while not self._ending.is_set():
            try:
                self.freshen()
            except (Problem, BrimcastError, SQLAlchemyError, OSError) as error:
                log.debug("forecasts are not refreshed: %s", error)  # requests are told, and /readyz says why
            except Exception:
                log.exception("forecasts are not refreshed")
            self._ending.wait(LOOK_AGAIN_S)

    def freshen(self) -> None:
        """Make again every forecast that is old, or soon will be; take a new champion once its state is filled."""
        state, champion = self.state(), self.champion()
        new = state.champion is not champion
        if new:
            state = State(champion, self._recorder.note)
        try:
            state.refresh(self.store(), self.now, REFRESHED)
        except (Problem, BrimcastError, SQLAlchemyError, OSError):
            raise
        except Exception as error:
            if new:  # a model that loads, but does not forecast
                self._copy.refuse(champion, error)
            raise
        with self._lock:
            self._state = state

    def some_bins(self, count: int) -> list[str]:
        """The first few bins, for examples; none while the store does not answer."""
        try:
            return sorted(self.store().versions())[:count]
        except (Problem, BrimcastError, SQLAlchemyError):
            return []

    def readiness(self) -> dict[str, Any]:
        """What /readyz says."""
        store: dict[str, Any] = {"ok": False, "detail": "The store does not answer."}
        try:
            if not self.is_down():
                store = {"ok": True, "bins": len(self.store().versions())}
        except Problem as problem:
            store["detail"] = problem.detail
        except (BrimcastError, SQLAlchemyError, OSError) as error:
            log.debug("the store does not answer: %s", error)
        model = self._copy.state()
        state = self._state
        made: dict[str, Any] = {"ok": self._keeper is None or (state is not None and state.filled)}
        made["bins"] = 0 if state is None else len(state)
        if not made["ok"]:
            made["detail"] = "There is no model yet to make them."
            if model["ok"]:
                made["detail"] = f"The first are being made: {made['bins']:,} of {store.get('bins', 0):,} bins."
        ready = bool(store["ok"] and model["ok"] and made["ok"])
        told = {"ready": ready, "store": store, "model": model, "forecasts": made, "registry": self._copy.registry()}
        return told | {"scores": scores_told(self.scorecard())}
