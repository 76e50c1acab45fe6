#!/usr/bin/env bash
# Measures what a night costs that folds one day's file into the table of purchases, beside reading everything anew: seconds, bytes of the
# log that were read, and bytes that were read of all files together. Asserts that both leave the same table and the same summary, to the
# last byte. Prints a Markdown table.
#
# Usage: scripts/measure_fold.sh BINARY [CUSTOMERS [NIGHTS [FULL_EVERY]]]
#        (1000000 customers, 30 nights, and a full reading every 10th night)
#
# The shop is simulated: ten years, a file a month, and a file a day for the last NIGHTS days. Data and runs go to a folder under
# ${TMPDIR:-/tmp}, which is removed. Needs awk and Linux (/proc/PID/io).
set -euo pipefail
[ $# -ge 1 ] || {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
binary=$(realpath "$1")
customers=${2:-1000000} nights=${3:-30} full_every=${4:-10}
work=$(mktemp -d "${TMPDIR:-/tmp}/longrun-fold.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

"$binary" simulate --quiet --customers "$customers" --groups 1 --start 2016-01-01 --acquisition-days 3500 --observe-days 3652 \
    --output shop >&2
# 3652 days from 2016-01-01 end on 2025-12-30.
first_night=$(date -u -d "2025-12-30 - $((nights - 1)) days" +%F)
mkdir log arriving
awk -F, -v first="$first_night" '
    NR == 1 { header = $0; next }
    {
        name = $2 >= first ? "arriving/" $2 ".csv" : "log/" substr($2, 1, 7) ".csv"
        if (!(name in seen)) { seen[name] = 1; print header > name }
        print >> name
    }' shop/transactions.csv
rm -r shop
printf '[data]\npath = "log"\n[purchase]\nmodel = "bg_nbd"\n' >shop.toml
echo "$(cat log/*.csv arriving/*.csv | wc -l) lines, $(cat log/*.csv arriving/*.csv | wc -c) bytes, $nights nights from $first_night" >&2

# measured COMMAND…: seconds, bytes of the log that were read as the note says (all of them without one), bytes read of all files
measured() {
    bash -c '
        before=$(awk "/^rchar/ { print \$2 }" /proc/$$/io)
        from=$(date +%s.%N)
        "$@" 2>note >out || { cat note out >&2; exit 1; }
        to=$(date +%s.%N)
        after=$(awk "/^rchar/ { print \$2 }" /proc/$$/io)
        log=$(sed -nE "s/.*files were read, ([0-9]+) of [0-9]+ bytes.*/\1/p" note)
        awk -v s="$from" -v e="$to" -v log_bytes="${log:-all}" -v all=$((after - before)) \
            "BEGIN { printf \"%.2f %s %d\\n\", e - s, log_bytes, all }"
    ' measured "$@"
}

read -r seconds _ all < <(measured "$binary" summarize shop.toml --set output.dir=runs/0)
echo "| night | incremental s | log bytes read | all bytes read | full s | log bytes read | all bytes read |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
echo "| before the first | | | | $seconds | $(cat log/*.csv | wc -c) | $all |"
last=runs/0 sum=0 log_sum=0
for night in $(seq 1 "$nights"); do
    day=$(date -u -d "$first_night + $((night - 1)) days" +%F)
    [ ! -e "arriving/$day.csv" ] || mv "arriving/$day.csv" log/
    read -r seconds log_bytes all < <(measured "$binary" summarize shop.toml --set "output.dir=runs/$night" --since "$last")
    sum=$(awk "BEGIN { print $sum + $seconds }") log_sum=$((log_sum + log_bytes))
    full="| | | |"
    if [ $((night % full_every)) = 0 ] || [ "$night" = "$nights" ]; then
        read -r full_seconds _ full_all < <(measured "$binary" summarize shop.toml --set output.dir=runs/full)
        full="| $full_seconds | $(cat log/*.csv | wc -c) | $full_all |"
        for name in transactions rejects.csv summary.parquet cells.parquet spend.parquet weekly.parquet; do
            diff -r "runs/$night/$name" "runs/full/$name" >&2 || {
                echo "the night's $name is not that of a full reading" >&2
                exit 1
            }
        done
        rm -r runs/full
    fi
    echo "| $night | $seconds | $log_bytes | $all $full"
    rm -r "$last"
    last=runs/$night
done
echo "| all $nights | $sum | $log_sum | | | | |"
echo "every full reading left the same table and summary, to the last byte" >&2
