"""The service's process: `bentoml serve`, told where it answers and what it answers from."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from data.errors import BrimcastError, InputError
from data.settings import Settings
from serving.keys import keys_file

SERVICE = "serving.service:Brimcast"
STARTS_WITHIN_S = 90.0
FINISHES_WITHIN_S = 10
"""What is being answered when the service is asked to end gets so long; then also clients that never end are left."""
STOPS_WITHIN_S = 15.0
ROOT = Path(__file__).resolve().parent.parent
"""What must be on the import path: the checkout, or site-packages."""


def address_of(host: str, *, keyed: bool) -> str:
    """The host as an address to answer on. Raises InputError for one that others reach while there are no keys."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise InputError(
            f"--host {host} is no IP address",
            expected="the address to answer on",
            remedy="Leave it out to answer on this machine only.",
            example="--host 127.0.0.1",
        ) from error
    if not (keyed or address.is_loopback):
        raise InputError(
            f"--host {host} can be reached from other machines, and no keys are configured",
            expected="a loopback address: without keys everybody who reaches the service may read and write",
            remedy="Answer on this machine only (--host 127.0.0.1), or make a key first.",
            example="brimcast serving key create --scope read --scope ingest",
        )
    return str(address)


def free_port(host: str = "127.0.0.1", port: int = 0) -> int:
    """`port` if nothing listens there (0: any free one). Raises InputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"Port {port} of {host} cannot be used ({error})",
                expected="a free port",
                remedy="Stop what listens there, or choose another with --port.",
                example=f"--port {port % 60000 + 1 if port > 1024 else 3001}",
            ) from error
        return int(probe.getsockname()[1])


def command(host: str, port: int) -> list[str]:
    """The words that start the service."""
    words = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--working-dir", str(ROOT)]
    return [*words, "--host", host, "--port", str(port), "--timeout-graceful-shutdown", str(FINISHES_WITHIN_S)]


def environment(settings: Settings, workers: int) -> dict[str, str]:
    """The process's environment: our settings made absolute, one thread per computation, nothing sent home."""
    search = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    country = {"BRIMCAST_COUNTRY": settings.country} if settings.country else {}
    return {
        **os.environ,
        **country,
        "BRIMCAST_HOME": str(settings.home),
        "BRIMCAST_STORE": _absolute(settings.store),
        "BRIMCAST_KEYS": settings.keys,
        "BRIMCAST_KEYS_FILE": str(keys_file(settings)),
        "MLFLOW_TRACKING_URI": _absolute(settings.tracking_uri),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": str(settings.home / "bentoml"),
        "BENTOML_CONFIG_OPTIONS": f"services.brimcast.workers={workers}",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",  # else each thread keeps memory of its own that the others cannot use
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(search)),
    }


def _absolute(url: str) -> str:
    """A SQLite file named from here, named from the root: the process stands elsewhere."""
    scheme, found, path = url.partition(":///")
    if not found or not scheme.startswith("sqlite") or path in ("", ":memory:"):
        return url
    return f"{scheme}:///{Path(path).absolute()}"


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Within it, being asked to end (SIGTERM, or a closed terminal) leaves every `with`: no child is left behind.

    Only in the main thread, as Python's signals are.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in asked if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Server:
    """A running service as a child process. A context manager: it stops at the end, and with us."""

    def __init__(self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0, workers: int = 1) -> None:
        self.port = free_port(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"
        self.log = settings.home / "service.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command(host, self.port),
                env=environment(settings, workers),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us; we stop it in order
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def wait_ready(self, say: Callable[[str], None] = lambda step: None) -> None:
        """Return once /readyz says so. Raises BrimcastError when the process ends, or takes too long."""
        until = time.monotonic() + STARTS_WITHIN_S
        said = "nothing yet"
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise self.ended("as it started")
            status, answer = self._ask("/readyz")
            if status == 200:
                return
            said = str(answer.get("detail", said))
            time.sleep(0.25)
        raise BrimcastError(
            f"The service was not ready within {STARTS_WITHIN_S:.0f} s ({said}); its log is {self.log}."
        )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST. Raises BrimcastError for any other status than 200."""
        status, answer = self._ask(path, json.dumps(body).encode())
        if status != 200:
            raise BrimcastError(f"POST {path} was answered {status or 'not at all'}: {answer.get('detail', answer)}")
        return answer

    @property
    def pid(self) -> int:
        """The process that started the workers."""
        return self._process.pid

    def wait(self) -> int:
        """Wait until the process ends, and tell its exit code."""
        return self._process.wait()

    def ended(self, when: str) -> BrimcastError:
        """The error of a service that ended by itself: its log, and what it said last."""
        return BrimcastError(f"The service ended {when}; its log is {self.log}. {self._last_words()}")

    def stop(self) -> None:
        """Ask the process to end, wait for it, and end it hard when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _ask(self, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"}
        )  # POST with a body
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            try:
                return error.code, dict(json.loads(error.read()))
            except ValueError:
                return error.code, {}
        except (OSError, ValueError):
            return 0, {}

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"It said last: {lines[-1][:300]}" if lines else "It said nothing."
