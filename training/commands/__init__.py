"""`brimcast training`: each file here is one command, and imports what takes long only when it runs."""

from collections.abc import Sequence

from data.console import make_app, run
from training.commands import backtest, compare, fit, forecast, monitor, promote, replay, rollback, scorecard, tune

ABOUT = "Models: fit, tune, backtest, forecast, compare, promote, rollback, replay, scorecard, monitor."

app = make_app("training", ABOUT)
app.command(epilog=fit.EXAMPLE)(fit.fit)
app.command(epilog=tune.EXAMPLE)(tune.tune)
app.command(epilog=backtest.EXAMPLE)(backtest.backtest)
app.command(epilog=forecast.EXAMPLE)(forecast.forecast)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=monitor.EXAMPLE)(monitor.monitor)
app.command(epilog=promote.EXAMPLE)(promote.promote)
app.command(epilog=replay.EXAMPLE)(replay.replay)
app.command(epilog=rollback.EXAMPLE)(rollback.rollback)
app.command(epilog=scorecard.EXAMPLE)(scorecard.scorecard)


def main(args: Sequence[str] | None = None) -> None:
    """Run `brimcast training`."""
    run(app, args)
