#!/usr/bin/env python3
"""Sends each line of standard input to Cloud Logging, and prints it. A line that is a JSON object keeps its fields, severity and time;
any other line becomes a message of severity DEFAULT, of a panic ERROR. Nothing that Cloud Logging does can stop or slow the program
whose lines these are: it is asked with short time-outs, and lines that it does not take are left to the machine's journal.
"""

import json
import os
import queue
import re
import sys
import threading
import time
import urllib.request

METADATA = os.environ.get("LONGRUN_METADATA", "http://metadata.google.internal/computeMetadata/v1")
LOGGING = os.environ.get("LONGRUN_LOGGING", "https://logging.googleapis.com")
SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
MOST_AT_ONCE = 100
SECONDS_TO_THE_LAST = 10  # of the 28 that the unit has once it is told to stop


def ask(path):
    request = urllib.request.Request(f"{METADATA}/{path}", headers={"Metadata-Flavor": "Google"})
    with urllib.request.urlopen(request, timeout=3) as answer:
        return answer.read().decode()


def entry(line):
    """A line as an entry of Cloud Logging."""
    try:
        payload = json.loads(line)
        if not isinstance(payload, dict):
            raise ValueError
    except ValueError:
        return {"severity": "ERROR" if line.startswith("thread '") and "panicked" in line else "DEFAULT", "jsonPayload": {"message": line}}
    severity = str(payload.pop("severity", "DEFAULT")).upper()
    made = {"severity": severity if severity in SEVERITIES else "DEFAULT", "jsonPayload": payload}
    when = str(payload.get("time", ""))
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", when):
        made["timestamp"] = payload.pop("time")
    return made


class Sender:
    def __init__(self):
        self.token, self.until, self.frame = None, 0.0, None

    def send(self, entries):
        if self.frame is None:
            project, name = ask("project/project-id"), ask("instance/name")
            place = {"project_id": project, "instance_id": ask("instance/id"), "zone": ask("instance/zone").rsplit("/", 1)[-1]}
            self.frame = {
                "logName": f"projects/{project}/logs/longrun",
                "resource": {"type": "gce_instance", "labels": place},
                "labels": {"longrun_host": name},
                "partialSuccess": True,
            }
        if time.monotonic() > self.until:
            answer = json.loads(ask("instance/service-accounts/default/token"))
            self.token, self.until = answer["access_token"], time.monotonic() + answer["expires_in"] - 60
        body = json.dumps({**self.frame, "entries": entries}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{LOGGING}/v2/entries:write", body, headers), timeout=5).close()


def forward(lines):
    """Sends what is in the queue, together what came together, until None comes."""
    sender, ended = Sender(), False
    while not ended:
        entries = []
        line = lines.get()
        while True:
            if line is None:
                ended = True
                break
            entries.append(entry(line))
            if len(entries) == MOST_AT_ONCE:
                break
            try:
                line = lines.get_nowait()
            except queue.Empty:
                break
        for pause in (0.2, 1, None) if entries else ():
            try:
                sender.send(entries)
                break
            except Exception as problem:  # whatever it is, the night goes on
                if pause is None:
                    print(f"longrun-forward-logs: {len(entries)} lines did not reach Cloud Logging: {problem}", file=sys.stderr, flush=True)
                else:
                    time.sleep(pause)


def main():
    lines = queue.Queue()
    worker = threading.Thread(target=forward, args=(lines,), daemon=True)
    worker.start()
    for line in sys.stdin.buffer:
        text = line.decode(errors="replace").rstrip("\n")
        if text.strip():
            print(text, flush=True)
            lines.put(text)
    lines.put(None)
    worker.join(SECONDS_TO_THE_LAST)


if __name__ == "__main__":
    main()
