"""Progress on stderr: a bar or a spinner on a terminal, plain lines elsewhere. stdout stays for results."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

PLAIN_STEPS = 10


def _terminal() -> bool:
    return sys.stderr.isatty()


@contextmanager
def working(title: str) -> Iterator[Callable[[str], None]]:
    """Work of unknown length: call what it yields with each next step's name.

    with working("Training") as say: say("features"); ...
    """
    started = time.monotonic()
    if _terminal():
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(title)
            yield lambda step: shown.update(task, description=f"{title}: {step}")
    else:
        print(f"{title} ...", file=sys.stderr, flush=True)
        yield lambda step: print(f"{title}: {step} ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Work of `total` parts: call what it yields with the number of parts just done.

    with counting("Loading", len(frame)) as advance: advance(1000)
    """
    if _terminal():
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(title, total=total)
            yield lambda parts: shown.advance(task, parts)
    else:
        done, told = 0, 0

        def advance(parts: int) -> None:
            nonlocal done, told
            done += parts
            tenth = PLAIN_STEPS * done // max(total, 1)
            if tenth > told:
                told = tenth
                print(f"{title}: {done:,} of {total:,}", file=sys.stderr, flush=True)

        yield advance
