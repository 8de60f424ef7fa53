"""The installed script: `brimcast data|training|serving ...` joins the three commands, loading only the one asked."""

import importlib
import sys

ROOMS = {
    "data": "simulate | check | load | migrate | prune | rename | retire",
    "training": "fit | tune | backtest | forecast | compare | promote | rollback | replay | scorecard | monitor",
    "serving": "demo | start | fetch | due | key",
}


def main() -> None:
    """Hand the words after the room's name to that room's command."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print("Usage: brimcast ROOM COMMAND [OPTIONS]\n\nForecasts when public bins reach the brim.\n")
        print("\n".join(f"  {room:<10}{text}" for room, text in ROOMS.items()))
        print("\n`brimcast ROOM --help` tells more.")
        sys.exit(0)
    if words[0] not in ROOMS:
        print(f"Error: no room {words[0]!r}. Expected one of {', '.join(ROOMS)}.", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"brimcast {words[0]}", *words[1:]]
    importlib.import_module(f"{words[0]}.commands").main()
