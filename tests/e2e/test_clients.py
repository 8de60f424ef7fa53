"""Two hundred clients at once, some slow and some broken, of a service of two workers: no wrong answer, none lost."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pandas as pd
import psutil  # type: ignore[import-untyped]
import pytest

from serving.server import Server
from tests.e2e.conftest import NAMED, City, client, problem, settings_of, stored, told, workers_of

pytestmark = pytest.mark.slow
HONEST, SLOW, BROKEN = 150, 25, 25
ROUNDS = 3
BUSY = {429, 503}


class Honest:
    """Posts a reading of its own bin and asks for the forecast on another connection; comes again when told so."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.bin_id = url, f"client-{number:03d}"
        self.kept: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.random = random.Random(number)

    async def live(self) -> None:
        start = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta(hours=ROUNDS)
        for step in range(ROUNDS):
            at = start + pd.Timedelta(hours=step)
            row = {
                "bin_id": self.bin_id,
                "measured_at": at.isoformat(),
                "fill_pct": float(self.random.randint(1, 9) + 10 * step),
            }
            posted = await self.ask("/v1/readings", {"readings": [row]})
            if posted["accepted"] + posted["unchanged"] != 1:  # a retry of what a 503 had kept would be unchanged
                self.wrong.append(f"{row}: {posted}")
            self.kept.append(row)
            [found] = (await self.ask("/v1/forecast", {"bin_ids": [self.bin_id], "horizons_h": [6]}))["forecasts"]
            if pd.Timestamp(found["last_reading_at"]) != at or abs(found["fill_now_pct"] - row["fill_pct"]) > 10:
                self.wrong.append(f"{row}: {found}")

    async def ask(self, path: str, body: Any) -> Any:
        for _ in range(60):
            async with httpx.AsyncClient(base_url=self.url, timeout=60, trust_env=False) as asking:
                answer = await asking.post(path, json=body)
            if answer.status_code not in BUSY:
                break
            assert int(answer.headers["retry-after"]) > 0
            await asyncio.sleep(0.5)
        if answer.status_code != 200:
            self.wrong.append(f"{path} {body}: {answer.status_code} {answer.text[:200]}")
        answer.raise_for_status()
        return answer.json()


HEAD = b"POST /v1/readings HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
NONSENSE = [
    b"\x00\xff\x16\x03 not HTTP at all\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\n{\xff\xfe}}",
    HEAD + b'Content-Length: 400\r\n\r\n{"readings": [',  # and then it hangs up
    HEAD + b"Content-Length: 99999999\r\n\r\n",
    HEAD + b'Content-Length: 17\r\n\r\n{"readings": [{}]',
    HEAD.replace(b"json", b"xml") + b"Content-Length: 2\r\n\r\n{}",
    HEAD.replace(b"/v1/readings", b"/nowhere/%00") + b"Content-Length: 2\r\n\r\n{}",
    HEAD + b'Content-Length: 36\r\n\r\n{"readings": [{"bin_id": "\\ud800"}]} ',
]


async def slow(address: tuple[str, int], done: asyncio.Event) -> None:
    """A byte now and then, of a head or of a body that never ends."""
    _, writer = await asyncio.open_connection(*address)
    for byte in HEAD + b"Content-Length: 100\r\n\r\n" + b" " * 99:
        if done.is_set():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(0.1)
    writer.transport.abort()


async def broken(address: tuple[str, int], number: int, done: asyncio.Event, statuses: list[int]) -> None:
    """Nonsense, again and again; and what it is answered, if it waits for that."""
    for step in range(1000):
        if done.is_set():
            return
        reader, writer = await asyncio.open_connection(*address)
        writer.write(NONSENSE[(number + step) % len(NONSENSE)])
        if step % 3 == 0:
            writer.transport.abort()
        else:
            try:
                line = await asyncio.wait_for(reader.readline(), 1.0)
                if line:
                    statuses.append(int(line.split()[1]))
            except (TimeoutError, ConnectionError):
                pass
            writer.transport.abort()
        await asyncio.sleep(0.3)


async def crowd(url: str) -> tuple[list[Honest], list[int]]:
    """All at once; the honest ones until they have done their rounds."""
    parts = urlsplit(url)
    address, done, statuses = (str(parts.hostname), int(parts.port or 0)), asyncio.Event(), list[int]()
    honest = [Honest(url, number) for number in range(HONEST)]
    others = [asyncio.create_task(slow(address, done)) for _ in range(SLOW)]
    others += [asyncio.create_task(broken(address, number, done, statuses)) for number in range(BROKEN)]
    ends = await asyncio.gather(*(one.live() for one in honest), return_exceptions=True)
    done.set()
    await asyncio.gather(*others, return_exceptions=True)
    for one, end in zip(honest, ends, strict=True):
        if isinstance(end, BaseException):
            one.wrong.append(repr(end))
    return honest, statuses


def test_two_hundred_clients_slow_and_broken_ones_among_them_get_no_wrong_answer(
    city: City, home: Path, served: Callable[..., Any]
) -> None:
    settings = settings_of(home)
    with served(settings, workers=2) as server, client(server) as asking:
        workers = workers_of(server)
        bins = [{"bin_id": f"client-{k:03d}", "timezone": "UTC"} for k in range(HONEST)]
        assert asking.put("/v1/bins", json={"bins": bins}).json()["accepted"] == HONEST
        honest, statuses = asyncio.run(crowd(server.url))
        assert [one.wrong for one in honest if one.wrong] == []
        assert set(statuses) <= NAMED
        assert len(statuses) > BROKEN
        assert workers_of(server) == workers
        assert asking.get("/readyz").status_code == 200
        lost = [one.bin_id for one in honest if told(one.kept) != stored(settings, one.bin_id)]
        assert lost == []


def test_a_reading_is_in_the_next_forecast_of_every_worker(city: City, home: Path, served: Callable[..., Any]) -> None:
    with served(settings_of(home), workers=2) as server:
        asked_cpu = cpu(server)
        start = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta(hours=1)
        for step in range(15):
            at = start + pd.Timedelta(seconds=step)
            row = {"bin_id": "bin-0004", "measured_at": at.isoformat(), "fill_pct": float(step)}
            with client(server) as asking:
                assert asking.post("/v1/readings", json={"readings": [row]}).json()["accepted"] == 1
            found = asked_by_many(server, {"bin_ids": ["bin-0004"], "horizons_h": [6]})
            assert {pd.Timestamp(one["forecasts"][0]["last_reading_at"]) for one in found} == {at}
            assert all(pd.Timestamp(one["as_of"]) >= at for one in found)
        assert all(now > before for before, now in zip(asked_cpu, cpu(server), strict=True))  # both have answered


def asked_by_many(server: Server, body: Any) -> list[Any]:
    """The forecasts that six clients get at once, each on a connection of its own: both workers take some."""
    found: list[Any] = []

    def ask() -> None:
        with client(server) as asking:
            answer = asking.post("/v1/forecast", json=body)
            found.append(answer.json() if answer.status_code == 200 else problem(answer))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def cpu(server: Server) -> list[float]:
    """Seconds that each worker has worked for."""
    return [psutil.Process(pid).cpu_times().user for pid in sorted(workers_of(server))]
