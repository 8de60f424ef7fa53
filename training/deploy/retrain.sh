#!/usr/bin/env bash
# For cron: watches the champion; where it is to be trained anew, fits a challenger and lets `promote` judge it.
#
#   BRIMCAST_STORE=postgresql://brimcast@db.city.example/brimcast
#   17 3 * * *  BRIMCAST_HOME=/srv/brimcast /opt/brimcast/training/deploy/retrain.sh --readings "$BRIMCAST_STORE"
#
# Arguments: --readings and what else says where the tables are, as of `brimcast training fit`. Exit 0: nothing to do, or
# a new champion. Exit 1: something failed, or the challenger was refused; the reasons are on stderr, which cron mails.
# BRIMCAST names the command, BRIMCAST_FIT holds further options of `fit`, as "--settings settings.json".
set -euo pipefail
brimcast=${BRIMCAST:-brimcast}
read -ra how <<<"${BRIMCAST_FIT:-}"
report=$(mktemp)
trap 'rm -f "$report"' EXIT

if "$brimcast" training monitor "$@" --json >"$report"; then
    echo "The champion is fit for its work."
    exit 0
fi
# Exit 1 is also that of a fault, such as a database that is down: no model is trained for that.
grep -q '"retrain": true' "$report" || exit 1
"$brimcast" training fit "$@" ${how[@]+"${how[@]}"}
"$brimcast" training promote "$@"
