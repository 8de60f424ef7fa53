from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from data.console import example
from data.settings import read_settings
from training.arguments import NAME, Name

EXAMPLE = example("brimcast training rollback", 'brimcast training rollback --reason "glass is forecast too low"')


def rollback(
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; is recorded.")] = None,
    name: Name = NAME,
) -> None:
    """Make the champion before the last promotion the champion again: one step.

    It is an MLflow run, as a promotion is, and both versions' descriptions say so.
    """
    from training import registry
    from training.logbook import rolled_back

    settings = read_settings()
    back, left = registry.remembered(name, settings)
    with rolled_back(back, left, reason, pd.Timestamp.now("UTC"), settings) as run_id:
        champion, replaced = registry.rollback(name, settings)
    print(f"MLflow run {run_id}")
    print(f"{name} version {champion.version} is the champion again, in place of version {replaced.version}.")
