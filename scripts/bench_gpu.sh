#!/usr/bin/env bash
# Measures a carried longrun binary on any Linux machine with a GPU, in one call: no cargo, no network, no Python.
#
# Usage: scripts/bench_gpu.sh BINARY [OUT] [--adapter NAME] [--small] [--minutes M] [--driver ICD.json]
#   OUT        folder for the results [default: bench-gpu]
#   --adapter  the adapter whose name contains NAME; without it the first that is not software
#   --small    small sizes, to try the script where there is only a software adapter (--adapter llvmpipe)
#   --minutes  time for everything [default: 9]; each part has its share, and what does not fit is named as left out
#   --driver   sets VK_DRIVER_FILES for a Vulkan driver that the loader does not find by itself
#
# Writes OUT/*.jsonl (one JSON object a line; parts.jsonl says what was run and how it ended), OUT/*.json (records of the program),
# OUT/*.txt (what was said) and OUT/README.md (every figure with its command). Remove OUT/run-* and OUT/shop-* afterwards: they are large.
# Exit codes: 0 every part ended well or was left out for time, 1 a part failed or a precision was refused, 2 wrong usage.
set -uo pipefail

usage() { sed -n '2,14p' "$0" >&2; exit 2; }
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || usage
case $1 in /*) binary=$1 ;; *) binary=$PWD/$1 ;; esac
[ -x "$binary" ] || { echo "bench_gpu: $binary is not a program" >&2; exit 2; }
shift
out=bench-gpu
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then out=$1; shift; fi
adapter='' small='' minutes=9
while [ $# -gt 0 ]; do
  case $1 in
    --adapter | --minutes | --driver)
      [ $# -ge 2 ] || usage
      case $1 in --adapter) adapter=$2 ;; --minutes) minutes=$2 ;; *) export VK_DRIVER_FILES=$2 ;; esac
      shift 2 ;;
    --small) small=1; shift ;;
    *) usage ;;
  esac
done

case $minutes in '' | *[!0-9]*) echo "bench_gpu: --minutes needs a whole number (found $minutes)" >&2; exit 2 ;; esac
# Results are never put among somebody's files: the folder is new, empty, or one that this script filled before.
if [ -e "$out" ] && [ ! -f "$out/.bench-gpu" ] && [ -n "$(ls -A "$out" 2>/dev/null)" ]; then
  echo "bench_gpu: $out is not empty and holds no results of this script; name another folder" >&2
  exit 2
fi
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
page=$out/README.md
: >"$out/.bench-gpu" || exit 2
rm -rf "$out"/*.json "$out"/*.jsonl "$out"/*.txt "$out"/run-* "$out"/shop-* "$page"
began=$SECONDS
ends=$((began + minutes * 60))
status=0
place=()
compute=(--set compute.backend=gpu)
if [ -n "$adapter" ]; then
  place=(--adapter "$adapter")
  compute+=(--set "compute.adapter=$adapter")
fi

say() { printf 'bench_gpu: %s\n' "$*" >&2; }
tell() { printf '%s\n' "$@" >>"$page"; }
# The value of a plain key in the first object of a JSON text.
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$2" 2>/dev/null | head -n 1; }

# part NAME SECONDS FILE COMMAND...: runs a command within its share of the time, its standard output into FILE.
part() {
  local name=$1 share=$2 file=$3 left code=0 start=$SECONDS
  shift 3
  left=$((ends - SECONDS))
  if [ "$left" -lt 5 ]; then
    say "$name: left out, the time is up"
    tell "| $name | left out, the time is up | |"
    return 1
  fi
  [ "$share" -gt "$left" ] && share=$left
  say "$name (at most $share s)"
  timeout --kill-after=5 "$share" "$@" >>"$out/$file" 2>>"$out/messages.txt" || code=$?
  local shown="longrun ${*:2}"
  shown=${shown//"$out"/OUT}
  local escaped=${shown//\\/\\\\}
  printf '{"part":"%s","seconds":%d,"exit_code":%d,"command":"%s"}\n' "$name" $((SECONDS - start)) "$code" "${escaped//\"/\\\"}" \
    >>"$out/parts.jsonl"
  case $code in
    0) tell "| $name | $((SECONDS - start)) s | \`$shown\` |" ;;
    124 | 137) tell "| $name | cut off after $share s; what was measured until then is in $file | \`$shown\` |" ;;
    *)
      status=1
      tell "| $name | **exit code $code** after $((SECONDS - start)) s, see messages.txt | \`$shown\` |"
      ;;
  esac
  [ "$code" = 0 ]
}

if [ -n "$small" ]; then
  chains=1,4,64 rows=20000 customers=10000,50000 chunks=1,7 fits=(20000) fit_chains=16 draws=700 predict_draws=50 huge=''
else
  chains=1,4,64,1024 rows=1000000 customers=10000,1000000,10000000 chunks=1,7,100
  fits=(1000000 10000000) fit_chains=64 draws=500 predict_draws=500 huge=100000000
fi

tell "# longrun on this machine" "" "$(date -u '+%Y-%m-%d %H:%M') UTC, $("$binary" --version), $(uname -sr)." ""
tell '```text' "$("$binary" doctor 2>/dev/null)" '```' ""
tell "## Parts" "" "| part | time | command |" "| --- | --- | --- |"

part doctor 30 doctor.json "$binary" doctor --json
part rates 40 rates.jsonl "$binary" bench rates "${place[@]}" --json
part speed 120 speed.jsonl "$binary" bench "${place[@]}" --rows "$rows" --chains "$chains" --seconds 0.4 --json
part rule 60 rule.jsonl "$binary" bench rule "${place[@]}" --rows "${rows},10000" --seconds 0.1 --json
part precision 150 precision.jsonl "$binary" bench precision "${place[@]}" --backend gpu --customers "$customers" --chunks "$chunks" --json

# Fits and predictions from a simulated Parquet summary.
fit() { # CUSTOMERS SECONDS
  local n=$1 share=$2 shop=$out/shop-$1 run=$out/run-$1
  part "simulate $n" "$share" "simulate-$n.json" "$binary" simulate --kind summary --format parquet --count every-purchase \
    --customers "$n" --groups 16 --output "$shop" --json || return
  local data
  data=$(find "$shop" -name '*.parquet' | head -n 1)
  cat >"$out/shop-$n.toml" <<TOML
[data]
path = "$data"
kind = "summary"

[groups]
by = "column"
column = "group"

[predict]
draws = $predict_draws

[output]
dir = "$run"
TOML
  part "fit $n" "$share" "fit-$n.txt" "$binary" diagnose "$out/shop-$n.toml" --quiet "${compute[@]}" \
    --set sampler.kind=chees --set "sampler.chains=$fit_chains" --set "sampler.draws=$draws" --set sampler.shard_draws="$draws"
  # A refused verdict is a result: it is told, and predictions are timed all the same.
  [ -f "$run/diagnostics.json" ] || return
  cp "$run/telemetry.json" "$out/telemetry-$n.json"
  cp "$run/diagnostics.json" "$out/diagnostics-$n.json"
  tell "| verdict $n | $(field verdict "$run/diagnostics.json") | diagnostics-$n.json, telemetry-$n.json |"
}
predict() { # CUSTOMERS SECONDS
  part "predict $1 × $predict_draws" "$2" "predict-$1.txt" "$binary" predict "$out/run-$1" --quiet || return
  cp "$out/run-$1/telemetry.json" "$out/telemetry-predict-$1.json"
}

fit "${fits[0]}" 60 && predict "${fits[0]}" 60
[ ${#fits[@]} -gt 1 ] && fit "${fits[1]}" 120
[ -n "$huge" ] && [ $((ends - SECONDS)) -gt 90 ] && fit "$huge" 180

rows_of() { # FILE KEY...: a Markdown row per object
  local file=$1 line key cells pattern
  shift
  while IFS= read -r line; do
    cells='|'
    for key in "$@"; do
      pattern="\"$key\":(\"([^\"]*)\"|[^,}]*)"
      if [[ $line =~ $pattern ]]; then cells+=" ${BASH_REMATCH[2]:-${BASH_REMATCH[1]}} |"; else cells+=" |"; fi
    done
    tell "$cells"
  done <"$out/$file"
}
table() { # TITLE FILE KEY...
  local title=$1 file=$2 head='|' rule='|' key
  shift 2
  [ -s "$out/$file" ] || return 0
  for key in "$@"; do head+=" $key |" rule+=' --- |'; done
  tell "" "## $title" "" "$head" "$rule"
  rows_of "$file" "$@"
}
table "What the machine can do, a second" rates.jsonl backend adapter bytes_per_s fmas_per_s logs_per_s exps_per_s divisions_per_s
table "Evaluations a second, and the floor" speed.jsonl family merged cells chains backend layout evals_per_s floor_evals_per_s share_of_floor floor_is
table "Rules" rule.jsonl family cells chains fastest_layout layout_rule layout_agrees fastest_backend backend_rule backend_agrees
table "Precision, nats" precision.jsonl family customers merged max_weight layout chunks pieces reference max_abs_delta_error_nats bit_identical

tell "" "Everything took $((SECONDS - began)) s of $((minutes * 60)) s."
say "results are in $out"
exit "$status"
