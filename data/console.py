"""The runner that the three commands share.

In a room's `commands.py`:

    app = make_app("training", "Models: fit, backtest, forecast, ...")

    @app.command(epilog=example("brimcast training fit --readings readings.parquet"))
    def fit(...) -> None: ...        # raise InputError (or another BrimcastError) for what the user can mend

    def main(args: Sequence[str] | None = None) -> None:
        run(app, args)

and in its `__main__.py`: `from training.commands import main; main()`. Tests call `main(["fit", ...])` and expect
SystemExit: 0 done, 1 the work failed (one paragraph on stderr), 2 the call was wrong (typer's own message).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from data.errors import BrimcastError, InputError

if TYPE_CHECKING:
    from rich.console import Console

DEBUG = "--debug"


def make_app(name: str, help: str) -> typer.Typer:
    """Make the typer app of one room; its help is plain text."""
    app = typer.Typer(
        name=name,
        help=help,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(help=help)
    def room(debug: bool = typer.Option(False, DEBUG, help="Show the traceback of an error.")) -> None:
        """`run` takes --debug wherever it stands; here it is only named, for the help."""

    return app


def example(*lines: str) -> str:
    """Word a command's `epilog`: example command lines, each kept on a line of its own."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def run(app: typer.Typer, args: Sequence[str] | None = None) -> NoReturn:
    """Run the app on `args` (default: the process's own) and exit with 0, 1 or 2; no traceback unless --debug."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads cost a busy machine many times the work
    words = list(sys.argv[1:] if args is None else args)
    debug = DEBUG in words
    try:
        app([word for word in words if word != DEBUG])
    except BrimcastError as error:
        if debug:
            raise
        fail(str(error))
    except MemoryError:
        if debug:
            raise
        fail("Not enough memory for this. Read fewer rows (a shorter span, fewer bins), or use a larger machine.")
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split())[:400]
        fail(f"Unexpected {type(error).__name__}: {text}. Run it again with {DEBUG} to see where it happened.")
    sys.exit(0)


def fail(text: str) -> NoReturn:
    """One paragraph on stderr, exit code 1."""
    print(f"Error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(1)


def table_console() -> "Console":
    """Where tables are printed: as wide as the terminal, or 120 characters into a file or a pipe."""
    from rich.console import Console

    return Console(width=None if Console().is_terminal else 120)


def check_outputs(*paths: Path | None, inputs: Sequence[str | None] = ()) -> None:
    """Refuse, before the work starts, files that are `inputs` or could not be written at its end. Raises InputError."""
    read = {Path(name).resolve() for name in inputs if name and "://" not in name}
    for path in paths:
        if path is None:
            continue
        if path.resolve() in read:
            raise InputError(
                f"{path} is to be read and to be written",
                expected="another file for what comes out",
                remedy=f"Name one, such as {path.with_stem(path.stem + '-out')}: what was read would be lost.",
            )
        if path.is_dir():
            raise InputError(
                f"{path} is a directory",
                expected="the name of a file to write",
                remedy=f"Name one, such as {path / 'out.csv'}.",
            )
        if not path.absolute().parent.is_dir():
            raise InputError(
                f"The folder {path.absolute().parent} does not exist",
                expected="an existing folder to write into",
                remedy=f"Make it with: mkdir -p {path.parent}",
            )
