from __future__ import annotations

import logging
import os
import signal
import threading

EVERY_S = 1.0
log = logging.getLogger("brimcast")


class Parent:
    """The process that started this one: when it is gone, however it ended, this one is asked to end too.

    Killed outright it can tell its workers nothing: they would go on answering on its port, and nobody would start
    them again. Asked each second rather than told by the kernel, whose signal comes already when the thread that
    started us ends.
    """

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, name="brimcast-parent", daemon=True)

    def begin(self) -> None:
        """Look after it, in the background, until `end`."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ending.set()

    def _look(self) -> None:
        while not self._ending.wait(EVERY_S):
            if os.getppid() != self._pid:
                log.error("the process %d that started this one is gone: this one ends too", self._pid)
                os.kill(os.getpid(), signal.SIGTERM)
                return
