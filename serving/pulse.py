"""Whether the store answers, asked again and again: so that no request waits for a database that has fallen silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from data.errors import BrimcastError

EVERY_S = 0.25
LATE_S = 1.25
"""A question that is open for so long counts as not answered. With the pause before it less than two seconds."""


class Pulse:
    """Asks `ping` in a thread of its own; `ping` raises where the store does not answer, or never returns."""

    def __init__(self, ping: Callable[[], None]) -> None:
        self._ping = ping
        self._asked: float | None = None
        self._failed = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="brimcast-pulse", daemon=True)

    def begin(self) -> None:
        """Ask from now on, until `end`."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more."""
        self._ending.set()

    @property
    def down(self) -> bool:
        """Whether the store failed to answer the last question, or is late with it."""
        asked = self._asked
        return self._failed or (asked is not None and time.monotonic() - asked > LATE_S)

    def _beat(self) -> None:
        while not self._ending.is_set():
            self._once()
            self._ending.wait(EVERY_S)

    def _once(self) -> None:
        self._asked = time.monotonic()
        try:
            self._ping()
            self._failed = False
        except (BrimcastError, SQLAlchemyError, OSError):
            self._failed = True
        self._asked = None
