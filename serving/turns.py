"""Who makes many forecasts now: one at a time, and those that a client waits for before those that nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock with two doors; whoever comes through `asked` goes before all who wait at `spare`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._asking = 0

    @contextmanager
    def asked(self) -> Iterator[None]:
        """The turn of a request."""
        with self._changed:
            self._asking += 1
            try:
                while self._taken:
                    self._changed.wait()
                self._taken = True
            finally:
                self._asking -= 1
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def spare(self) -> Iterator[None]:
        """The turn of work that can wait: only while no request wants one."""
        with self._changed:
            while self._taken or self._asking:
                self._changed.wait()
            self._taken = True
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
