"""Run by Alembic for each command; `data.migration` gives it the connection, within whose transaction all happens."""

from alembic import context

from data.databases import MARK
from data.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=MARK,  # its own name: MLflow's alembic_version may stand in the same database
)
context.run_migrations()
