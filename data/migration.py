"""The store's schema, brought from one Alembic revision to another in the caller's transaction."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from data.databases import LEGACY_MARK, MARK, shown
from data.errors import InputError
from data.schema import METADATA, REVISION

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"
BASE = "base"
LEGACY = "0001"
"""What the first stores are: made before there were migrations, marked by their own table."""
_alembic = threading.Lock()  # Alembic works through module-level proxies, one migration at a time in a process


class SchemaError(InputError):
    """The database's tables are not those that this Brimcast works with."""


def revision_of(connection: sa.Connection) -> str | None:
    """The revision of the database's store; None where there is no store yet. Raises SchemaError."""
    there = set(sa.inspect(connection).get_table_names())
    if MARK in there:
        found = connection.exec_driver_sql(f"SELECT version_num FROM {MARK}").scalar()
        if found is not None:
            return str(found)
    if LEGACY_MARK in there:
        return f"{connection.exec_driver_sql(f'SELECT max(version) FROM {LEGACY_MARK}').scalar() or 0:04d}"
    foreign = sorted(there & set(METADATA.tables))
    if foreign:
        raise SchemaError(
            f"{shown(connection.engine.url)} holds tables that Brimcast did not make ({', '.join(foreign)})",
            expected="a database of Brimcast's, or an empty one",
            remedy="Name another database for --store or BRIMCAST_STORE.",
        )
    return None


def check_revision(url: sa.URL, found: str | None) -> None:
    """Raise SchemaError unless the store is at this code's revision, saying what to do."""
    if found == REVISION:
        return
    expected = f"revision {REVISION}, which this Brimcast works with"
    if found is not None and found > REVISION:
        raise SchemaError(
            f"The store {shown(url)} is at revision {found}, made by a newer Brimcast",
            expected=expected,
            remedy="Install the Brimcast that made it, or load the data into a new store.",
        )
    raise SchemaError(
        f"The store {shown(url)} {'has no tables yet' if found is None else f'is at revision {found}'}",
        expected=expected,
        remedy="Bring it there with: brimcast data migrate (--store URL, unless BRIMCAST_STORE names it).",
    )


def revisions() -> list[str]:
    """All revisions that this Brimcast knows, oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_config(None))
    return [step.revision for step in script.walk_revisions()][::-1]


def migrate(connection: sa.Connection, to: str = REVISION) -> str | None:
    """Bring the store to revision `to` (`BASE`: no tables), up or down; returns the revision that it was at.

    A store made before migrations is adopted as it is. The caller holds the only writer's transaction, which this
    neither begins nor ends. Raises SchemaError for a foreign database, a newer store, or a revision nobody knows.
    """
    from alembic import command

    found, known = revision_of(connection), [BASE, *revisions()]
    if found is not None and found not in known:
        check_revision(connection.engine.url, found)
    if to not in known:
        raise SchemaError(f"There is no revision {to!r}", expected=f"one of {', '.join(known)}", remedy="Name one.")
    if found == to:
        return found
    config = _config(connection)
    with _alembic:
        if found == LEGACY and not sa.inspect(connection).has_table(MARK):
            command.stamp(config, LEGACY)
        if known.index(to) > known.index(found or BASE):
            command.upgrade(config, to)
        else:
            command.downgrade(config, to)
    return found


def _config(connection: sa.Connection | None) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
