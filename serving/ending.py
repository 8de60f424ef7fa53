"""Whether this process was asked to end: from then on each answer closes its connection."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

ASKED_BY = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Heeds the signals that end a worker, beside the server, which goes on to do so.

    The server tells the connections that it knows at that moment to close. One that it accepts in that moment goes on,
    and a client that posts without pause is cut off ten seconds later, in the middle of a request.
    """

    def __init__(self) -> None:
        self.begun = False

    def heed(self) -> None:
        """Listen from now on; in another thread than the main one, as in tests, there is nothing to listen to."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ASKED_BY:
            self._listen(number, signal.getsignal(number))

    def _listen(self, number: signal.Signals, before: Any) -> None:
        def asked(received: int, frame: FrameType | None) -> None:
            self.begun = True
            before(received, frame)

        if callable(before):
            signal.signal(number, asked)
