"""The due list as people and programs read it on a terminal: a table, CSV or JSON."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.table import Table

from data.console import table_console
from serving.answers import DueAnswer

COLUMNS = ("bin_id", "status", "fill_now_pct", "p_full", "expected_fill_pct", "latest_safe_emptying_at", "full_at_p50",
           "latitude", "longitude", "capacity_l", "expected_volume_l")  # fmt: skip

HEADINGS = ("bin", "full by then", "fill now", "fill then", "empty no later than", "even odds of full", "litres")
LINES = 5  # below the table: bins of which there is something to know, and those that are skipped
SEE_ALL = "--csv or --json tells all"
RIGHT = ("full by then", "fill now", "fill then", "litres")


def due_table(answer: DueAnswer, by: datetime, risk: float, zone: ZoneInfo, rows: int | None = None) -> Table:
    """The due list as a table of at most `rows` bins, its times on the clocks of `zone`."""
    local = by.astimezone(zone)
    table = Table(title=f"Due by {local:%A %d %B, %H:%M %Z}: more likely than {risk:.0%} to be full by then")
    for name in HEADINGS:
        table.add_column(name, justify="right" if name in RIGHT else "left", no_wrap=True)
    for due in answer.due[:rows]:
        safe = due.latest_safe_emptying_at
        table.add_row(
            due.bin_id,
            f"{due.p_full:.0%}",
            _percent(due.fill_now_pct),
            _percent(due.expected_fill_pct),
            "now" if safe is not None and safe <= answer.as_of else _clock(safe, zone),
            _clock(due.full_at.p50, zone),
            "" if due.expected_volume_l is None else f"{due.expected_volume_l:,.0f}",
        )
    return table


def print_due(answer: DueAnswer, by: datetime, risk: float, zone: ZoneInfo, rows: int | None = None) -> None:
    """The table on stdout, and below it what it leaves out."""
    console = table_console()
    console.print(due_table(answer, by, risk, zone, rows))
    more = len(answer.due) - (len(answer.due) if rows is None else min(rows, len(answer.due)))
    named = f"{answer.model.name} version {answer.model.version}"
    count = "1 bin is" if len(answer.due) == 1 else f"{len(answer.due):,} bins are"
    print(f"{count} due{f' ({more} more than shown)' if more else ''}; {named}, "
          f"as of {answer.as_of.astimezone(zone):%Y-%m-%d %H:%M %Z}.")  # fmt: skip
    told = [due for due in answer.due[:rows] if due.reasons]
    for due in told[:LINES]:
        print(f"  {due.bin_id}  {'; '.join(due.reasons)}")
    if len(told) > LINES:
        print(f"  and of {len(told) - LINES} more there is something to know: {SEE_ALL}")
    if answer.left_out:
        print(f"Due beyond what was asked for: {answer.left_out:,}.")
    if answer.skipped:
        print(f"{len(answer.skipped):,} skipped, someone should look:")
        for skipped in answer.skipped[:LINES]:
            print(f"  {skipped.bin_id}  {skipped.status}: {'; '.join(skipped.reasons)}")
        if len(answer.skipped) > LINES:
            print(f"  and {len(answer.skipped) - LINES} more: {SEE_ALL}")


def due_csv(answer: DueAnswer) -> str:
    """The due bins as CSV with a header; times RFC 3339 in UTC. Skipped bins follow, with their status alone."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, "skipped_because", "reasons"])
    for due in answer.due:
        told = due.model_dump(mode="json") | {"full_at_p50": due.model_dump(mode="json")["full_at"]["p50"]}
        writer.writerow([told[name] for name in COLUMNS] + ["", "; ".join(due.reasons)])
    for skipped in answer.skipped:
        writer.writerow([skipped.bin_id, skipped.status, *[""] * (len(COLUMNS) - 2), "; ".join(skipped.reasons), ""])
    return out.getvalue()


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}%"


def _clock(moment: datetime | None, zone: ZoneInfo) -> str:
    return "beyond 14 days" if moment is None else f"{moment.astimezone(zone):%a %d %b %H:%M}"
