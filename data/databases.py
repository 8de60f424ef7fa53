"""Database URLs: opened with a message that helps, and read as tables."""

from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from data.errors import InputError

EXAMPLES = "sqlite:///readings.db or postgresql+psycopg://user@host/database"
MARK = "brimcast_revision"  # the table by which a store is known: Alembic's, with the revision it is at
LEGACY_MARK = "brimcast_schema"  # and by which it was known before there were migrations
REMEDY = "Check the address, that the database runs, and the user's rights."


def database_url(text: str) -> sa.URL:
    """Parse a database URL; PostgreSQL is always spoken to by psycopg. Raises InputError."""
    try:
        url = sa.make_url(text)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise InputError(
                f"The database URL names {url.drivername!r}", expected=EXAMPLES, remedy="Use SQLite or PostgreSQL."
            )
    except (ArgumentError, ValueError) as error:
        raise InputError("The database URL cannot be read", expected=EXAMPLES, remedy="Correct the URL.") from error
    return url


def database_engine(url: sa.URL, **options: object) -> sa.Engine:
    """Make an engine (no connection yet), or say which driver is missing. Raises InputError."""
    try:
        return sa.create_engine(url, **options)
    except (ImportError, NoSuchModuleError, ArgumentError) as error:
        raise InputError(
            f"No driver for {url.drivername} ({error})",
            expected="an installed driver",
            remedy="Install PostgreSQL's with: pip install 'brimcast[postgres]'",
        ) from error


def shown(url: sa.URL) -> str:
    """Render the URL with its password hidden."""
    return url.render_as_string(hide_password=True)


def unreachable(url: sa.URL, error: Exception) -> InputError:
    """Word what a database answered, its password hidden."""
    cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
    said = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return InputError(
        f"{shown(url)} cannot be used ({said[0] if said else type(error).__name__})",
        expected="a database that answers",
        remedy=REMEDY,
    )


def read_database(source: str, table: str) -> pd.DataFrame:
    """Read the table named in the URL (?table=NAME), or `table`; a Brimcast store's tables come as it keeps them."""
    url = database_url(source)
    asked = url.query.get("table", table)
    name = asked if isinstance(asked, str) else asked[-1]
    url = url.difference_update_query(["table"])
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        raise InputError(
            f"There is no SQLite file {url.database}", expected="an existing database", remedy="Check the path."
        )
    engine = database_engine(url)
    try:
        found = sa.inspect(engine).get_table_names()
        if {MARK, LEGACY_MARK} & set(found) and name in ("readings", "bins", "emptyings", "weather"):
            return _of_store(url, name)
        schema, _, plain = name.rpartition(".")
        if not sa.inspect(engine).has_table(plain, schema=schema or None):
            raise InputError(
                f"{shown(url)} has no table {name!r}, but {', '.join(sorted(found)) or 'none'}",
                expected=f"a table of {table}",
                remedy="Name it in the URL, such as ...?table=NAME.",
            )
        with engine.connect() as connection:
            if url.get_backend_name() == "postgresql":
                connection.exec_driver_sql("SET TIME ZONE 'UTC'")
            return pd.read_sql(sa.select(sa.text("*")).select_from(sa.table(plain, schema=schema or None)), connection)
    except SQLAlchemyError as error:
        raise unreachable(url, error) from error
    finally:
        engine.dispose()


def is_store(source: str) -> bool:
    """Whether this names a Brimcast store (not one of its tables); False for files and what cannot be reached."""
    if "://" not in source:
        return False
    url = database_url(source)
    if "table" in url.query or (url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file()):
        return False
    engine = database_engine(url)
    try:
        return bool({MARK, LEGACY_MARK} & set(sa.inspect(engine).get_table_names()))
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def _of_store(url: sa.URL, table: str) -> pd.DataFrame:
    from data.store import Store  # a store is also a source, and a source is how a store is loaded

    with Store(url.render_as_string(hide_password=False), migrate=False) as store:  # reading alters nothing
        history = store.history()
    frames = {
        "readings": history.readings.frame,
        "bins": history.bins.frame,
        "emptyings": history.emptyings.frame,
        "weather": history.weather.frame,
    }
    return frames[table]
