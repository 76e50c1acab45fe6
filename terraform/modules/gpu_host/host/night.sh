#!/usr/bin/env bash
# One night, as longrun-night.service runs it: `longrun nightly` in its container, its lines to Cloud Logging, its exit code noted.
# systemd sends SIGTERM here when the machine is taken away; it is passed on, and the program has 25 seconds to write its checkpoint.
#
# On a machine of role bench the same is done with measurements instead of a night.
set -euo pipefail

metadata=${LONGRUN_METADATA:-http://metadata.google.internal/computeMetadata/v1}
storage=${LONGRUN_STORAGE:-https://storage.googleapis.com}
root=${LONGRUN_HOST_ROOT:-}
data=$root/var/lib/longrun
forward=$root/usr/local/sbin/longrun-forward-logs

get() { curl -sf --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' "$metadata/instance/$1"; }
say() { # SEVERITY EVENT MESSAGE [EXIT_CODE]
    python3 -c 'import datetime, json, sys; t = datetime.datetime.now(datetime.timezone.utc)
line = {"time": t.isoformat(), "severity": sys.argv[1], "event": sys.argv[2], "message": sys.argv[3]}
print(json.dumps(line | ({"exit_code": int(sys.argv[4])} if len(sys.argv) > 4 else {})))' "$@" | "$forward"
}

role=$(get attributes/longrun-role) image=$(get attributes/longrun-image) bucket=$(get attributes/longrun-bucket)
shop=$(get attributes/longrun-shop) deadline=$(get attributes/longrun-deadline) capabilities=$(get attributes/longrun-capabilities)
hours=$(get attributes/longrun-finished-hours)
token() { get service-accounts/default/token | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'; }

container=(docker run --rm --init --name longrun-night --gpus all --env "NVIDIA_DRIVER_CAPABILITIES=$capabilities" --network host
    --read-only --tmpfs /tmp --volume "$data:/var/lib/longrun" --stop-signal SIGTERM --stop-timeout 25 "$image")

if [ "$role" = bench ]; then
    when=$(date -u +%Y-%m-%dT%H%M%SZ)
    for what in doctor bench "bench precision"; do
        read -ra words <<<"$what"
        "${container[@]}" "${words[@]}" --json >"$data/.host/${what// /_}.json" || say ERROR bench_failed "longrun $what ended with $?"
        curl -sf --retry 5 -X POST -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' --data-binary "@$data/.host/${what// /_}.json" \
            "$storage/upload/storage/v1/b/$bucket/o?uploadType=media&name=bench/$when/${what// /_}.json" >/dev/null || say ERROR bench_failed "$what could not be uploaded"
    done
    say INFO bench_ended "measurements are in gs://$bucket/bench/$when"
    exit 0
fi

# A retry that finds the night finished leaves at once. `longrun-again` in the metadata asks for one all the same.
last=$data/.host/last_night # "SECONDS CODE"
if [ -r "$last" ] && ! get attributes/longrun-again >/dev/null; then
    read -r ended code <"$last"
    if [ "$code" -le 1 ] && [ $(($(date +%s) - ended)) -lt $((hours * 3600)) ]; then
        say INFO night_stands "the last night ended with $code less than $hours hours ago; nothing is due"
        exit 0
    fi
fi

# Before anyone has laid a configuration into the bucket there is nothing to do, and that is no failure.
status=$(curl -s --retry 5 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(token)" "$storage/storage/v1/b/$bucket/o/$shop%2Flongrun.toml") || true
if [ "$status" = 404 ]; then
    say WARNING no_config "there is no gs://$bucket/$shop/longrun.toml yet; the machine is fit, and goes off"
    exit 0
fi

# An earlier container of the name is left when the machine lost its power.
docker rm --force longrun-night >/dev/null 2>&1 || true
exec 3> >("$forward")
forwarder=$!
"${container[@]}" nightly "gs://$bucket/$shop/longrun.toml" --json --deadline-minutes "$deadline" >&3 2>&1 &
child=$!
# docker passes the signal on to the container.
trap 'kill -TERM "$child" 2>/dev/null || true' TERM INT
code=0
wait "$child" || code=$?
# A signal interrupts `wait` before the child has ended.
while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
done
if [ "$code" -ge 128 ]; then # of the interrupted `wait`, unless the child itself was killed
    ended=0
    wait "$child" 2>/dev/null || ended=$?
    if [ "$ended" != 127 ]; then code=$ended; fi
fi
exec 3>&-
wait "$forwarder" 2>/dev/null || true

printf '%s %s\n' "$(date +%s)" "$code" >"$last.partial" && mv "$last.partial" "$last"
case $code in
    0) say INFO night_ended "healthy" 0 ;;
    1) say WARNING night_ended "finished, but the diagnostics refuse the new fit or an alarm stands" 1 ;;
    3) say WARNING night_ended "another machine holds the lock" 3 ;;
    4) say WARNING night_ended "stopped by a signal; the next start resumes" 4 ;;
    5) say ERROR night_ended "deadline reached after $deadline minutes; the next start resumes" 5 ;;
    *) say ERROR night_ended "failed with exit code $code" "$code" ;;
esac
exit "$code"
