from __future__ import annotations

import pandas as pd

from data.console import example
from data.settings import read_settings
from training.arguments import NAME, Name

EXAMPLE = example("brimcast training rollback")


def rollback(name: Name = NAME) -> None:
    """Make the champion before the last promotion the champion again: one step. Both versions' descriptions say so."""
    from training.logbook import note_rollback
    from training.registry import rollback as do_rollback

    settings = read_settings()
    champion, replaced = do_rollback(name, settings)
    print(f"{name} version {champion.version} is the champion again, in place of version {replaced.version}.")
    note_rollback(champion, replaced, f"{pd.Timestamp.now('UTC'):%Y-%m-%d}", settings)
