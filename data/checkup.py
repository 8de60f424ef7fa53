"""What `brimcast data check` finds, for people and for programs."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from data.emptyings import Emptyings, find_emptyings
from data.health import RECENT_DAYS, sensor_health
from data.inputs import Inputs

SHOWN = 20


@dataclass(frozen=True)
class Checkup:
    """The inputs, the emptyings found in them, and the health of each sensor as of the last thing heard."""

    inputs: Inputs
    emptyings: Emptyings
    health: pd.DataFrame
    as_of: pd.Timestamp | None

    @classmethod
    def of(cls, inputs: Inputs) -> "Checkup":
        """Find emptyings and judge the sensors."""
        history = inputs.history
        if not len(inputs.readings):
            columns = {"bin_id": "str", "status": "str", "reasons": "str", "readings": "int64"}
            none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
            return cls(inputs, history.emptyings, none, None)
        as_of = inputs.readings.frame["received_at"].max()
        return cls(inputs, find_emptyings(history), sensor_health(history, as_of), as_of)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values; times as ISO text."""
        frame, inputs = self.inputs.readings.frame, self.inputs
        health = self.health.copy()
        for name in health.select_dtypes("datetimetz"):
            health[name] = health[name].map(pd.Timestamp.isoformat, na_action="ignore")
        return {
            "rows_read": inputs.rows["readings"],
            "rows_kept": len(frame),
            "rejected": inputs.rejected["readings"].counts(),
            "other_tables": {
                table: {"rows_read": inputs.rows[table], "rejected": inputs.rejected[table].counts()}
                for table in inputs.rows
                if table != "readings"
            },
            "unknown_columns": {table: list(names) for table, names in inputs.unknown_columns.items() if names},
            "bins": int(frame["bin_id"].nunique()),
            "first_reading_at": frame["measured_at"].min().isoformat() if len(frame) else None,
            "last_reading_at": frame["measured_at"].max().isoformat() if len(frame) else None,
            "emptyings": self.emptyings_by_source(),
            "health": {str(status): int(n) for status, n in self.health["status"].value_counts().items()},
            "sensors": health.astype(object).where(health.notna(), None).to_dict("records"),
        }

    def emptyings_by_source(self) -> dict[str, int]:
        """How many were reported and how many detected."""
        counts = self.emptyings.frame["source"].value_counts()
        return {source: int(counts.get(source, 0)) for source in ("reported", "detected")}

    def show(self, console: Console) -> None:
        """Print for people."""
        told = self.as_json()
        rows = Table()
        rows.add_column("readings")
        rows.add_column("rows", justify="right")
        rows.add_row("read", f"{told['rows_read']:,}")
        rows.add_row("kept", f"{told['rows_kept']:,}")
        for reason, count in told["rejected"].items():
            rows.add_row(f"set aside: {reason}", f"{count:,}")
        console.print(rows)
        for table, of in told["other_tables"].items():
            aside = "".join(f"; {n:,} set aside: {reason}" for reason, n in of["rejected"].items())
            console.print(f"{table}: {of['rows_read']:,} rows{aside}", highlight=False)
        for table, names in told["unknown_columns"].items():
            console.print(f"Ignored columns of {table}: {', '.join(names)}", highlight=False, markup=False)
        if self.as_of is None:
            return
        span = f"{told['first_reading_at'][:16]}Z to {told['last_reading_at'][:16]}Z"
        found = told["emptyings"]
        bins = "1 bin" if told["bins"] == 1 else f"{told['bins']:,} bins"
        console.print(f"\n{bins} with readings from {span}", highlight=False)
        console.print(f"Emptyings: {found['reported']:,} reported, {found['detected']:,} detected", highlight=False)
        health = ", ".join(f"{n:,} {status}" for status, n in told["health"].items())
        console.print(f"Sensors as of {self.as_of:%Y-%m-%d %H:%M}Z: {health}\n", highlight=False)
        self._show_sensors(console)

    def _show_sensors(self, console: Console) -> None:
        ordered = self.health.sort_values("status", key=lambda s: s == "ok", kind="stable")
        table = Table(title="Sensor health by bin, the unwell first", title_justify="left", title_style="bold")
        recent = f"in {RECENT_DAYS:.0f} days"
        for name, side in (("bin", "left"), (recent, "right"), ("last reading", "left"), ("status", "left")):
            table.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]  # rich's own literal
        table.add_column("why", overflow="fold")
        for _, row in ordered.head(SHOWN).iterrows():  # a screenful
            last = row["last_reading_at"]
            when = "" if pd.isna(last) else f"{last:%Y-%m-%d %H:%M}Z"
            table.add_row(str(row["bin_id"]), f"{row['readings']:,}", when, str(row["status"]), str(row["reasons"]))
        console.print(table)
        if len(ordered) > SHOWN:
            console.print(f"... and {len(ordered) - SHOWN:,} more bins: --json tells all.", highlight=False)
