#!/usr/bin/env bash
# Measures how cost grows with customers, chains, groups and transactions, on simulated data whose truth is known: wall time, peak
# memory, verdict, and how many true parameters lie inside their 99 % intervals. Prints a Markdown table and writes JSON lines.
#
# Usage: scripts/bench_scale.sh BINARY [--max-customers 1e7] [--max-transactions 1e8] [--groups 1,100,10000] [--chains 4,64,1024]
#                                      [--only customers,chains,groups,ingest] [--out FILE] [--set KEY=VALUE …]
#
# A minute:  scripts/bench_scale.sh target/release/longrun --max-customers 1e4 --max-transactions 1e5 --groups 1,100 --chains 4,64
#
# Data and runs go to a folder under ${TMPDIR:-/tmp} and are removed, each when it has been measured. Summaries count every purchase
# (`longrun simulate --count every-purchase`): purchases of one day, merged, would move the posterior away from the truth by more
# than its width when customers are many. Needs python3 (its standard library alone) on Linux or macOS.
set -euo pipefail
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || {
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
exec python3 "$(dirname "${BASH_SOURCE[0]}")/bench_scale.py" "$@"
