from collections.abc import Sequence

from data.console import make_app, run

app = make_app("data", "Readings and cities: simulate a city, check a table of readings, load one into a store.")


@app.command()
def check() -> None:
    """Nothing yet."""
    from data.errors import InputError

    raise InputError("X", expected="Y", remedy="Z.")


def main(args: Sequence[str] | None = None) -> None:
    """Run `brimcast data`."""
    run(app, args)
