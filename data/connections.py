"""Connections to the store's database: transactions that write, and snapshots that read."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from data.batches import is_postgres
from data.databases import database_engine, database_url, shown, unreachable
from data.errors import BrimcastError, InputError
from data.migration import SchemaError

WAIT_S = 30.0
LOCK = 0x6272696D  # PostgreSQL's advisory lock of those who change a store's tables themselves


class StoreError(BrimcastError):
    """The store did not do what was asked: it is locked, full or away. Asking again may help."""


class Connections:
    """Connections to one database; each call waits at most about `wait_s` for it, or for who holds its locks (30 s).

    What a transaction wrote is on disk when it ends: SQLite in WAL with synchronous=FULL, PostgreSQL with
    synchronous_commit on. `make`: a file of SQLite that is not there is made. Raises InputError when `url` can name no
    store, StoreError when a call fails.
    """

    def __init__(self, url: str, wait_s: float | None = None, *, make: bool = True) -> None:
        self.url = database_url(url)
        self._wait_s = wait_s = WAIT_S if wait_s is None else wait_s
        self._writer = threading.Lock()
        sqlite = self.url.get_backend_name() == "sqlite"
        if sqlite:
            self._find_file(make)
        self.engine = database_engine(self.url, **(_sqlite(wait_s) if sqlite else _postgres(wait_s)))
        sa.event.listen(self.engine, "connect", self._prepare_sqlite if sqlite else self._prepare_postgres)

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """Everything or nothing. In SQLite one writer at a time; in PostgreSQL those that are `alone`."""
        until = time.monotonic() + self._wait_s
        with self._said(), self._only_writer(), self.engine.begin() as connection:
            left_ms = max(1, math.ceil(1000 * (until - time.monotonic())))  # of what was waited for in this process
            if not is_postgres(connection):
                self._begin_sqlite(connection, left_ms)
            else:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {left_ms}")
                if alone:
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Several queries that see one moment."""
        with self._said(), self.engine.connect() as connection:
            if is_postgres(connection):
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            else:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    def close(self) -> None:
        """Close the connections; new ones are opened when next used."""
        self.engine.dispose()

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            found = said[0] if said else type(error).__name__
            raise StoreError(f"The store {shown(self.url)} failed: {found}") from error

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        """In SQLite, this process' turn to write: its own waiting asks now and then, and some ask in vain for long."""
        if self.url.get_backend_name() != "sqlite":
            yield
            return
        if not self._writer.acquire(timeout=self._wait_s):
            raise StoreError(f"The store {shown(self.url)} failed: others wrote for {self._wait_s:g} s")
        try:
            yield
        finally:
            self._writer.release()

    def _begin_sqlite(self, connection: sa.Connection, wait_ms: int) -> None:
        """Be the one writer, or fail after `wait_ms`."""
        try:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={math.ceil(self._wait_s * 1000)}")

    def _find_file(self, make: bool) -> None:
        if self.url.database in (None, "", ":memory:"):
            raise InputError(
                "The store's URL names no file", expected="sqlite:///FOLDER/store.db", remedy="Name the file."
            )
        file = Path(str(self.url.database)).absolute()
        if not make and not file.is_file():
            raise SchemaError(
                f"There is no store {shown(self.url)}",
                expected="the file of one",
                remedy="Name it, or make it with: brimcast data migrate (--store URL).",
            )
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unreachable(self.url, error) from error

    def _prepare_sqlite(self, connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where sqlite3 guesses
        waits = f"busy_timeout={math.ceil(self._wait_s * 1000)}"
        # A post touches a page per bin: a log of 64 MB writes each page back once for many posts, twice as fast.
        for pragma in (waits, "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16000", "cache_size=-16384"):
            connection.execute(f"PRAGMA {pragma}")

    def _prepare_postgres(self, connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{math.ceil(self._wait_s * 1000)}ms",))
            # A server or a user may have it off; a stronger setting (remote_apply) stays.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
        connection.commit()


def _sqlite(wait_s: float) -> dict[str, Any]:
    return {"connect_args": {"timeout": wait_s}, "pool_timeout": wait_s}


def _postgres(wait_s: float) -> dict[str, Any]:
    """What finds out within `wait_s` that the server, or the way to it, is gone."""
    gone = {"keepalives_idle": max(1, int(wait_s / 2)), "keepalives_interval": 1, "keepalives_count": 3}
    connect = {"connect_timeout": max(2, math.ceil(wait_s)), "tcp_user_timeout": math.ceil(wait_s * 1000), **gone}
    return {"connect_args": connect, "pool_pre_ping": True, "pool_timeout": wait_s}
