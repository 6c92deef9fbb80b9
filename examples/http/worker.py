#!/usr/bin/env python3
"""A worker in Python: reports this machine to a Pulselane master over HTTP, with the standard library alone.

    python3 worker.py --master http://127.0.0.1:8080 --id python-1 --interval 10s --group rack-1 --label team=render

It waits longer and longer while the master cannot be reached, tells what the master refuses, and says farewell on SIGTERM or
Ctrl-C. PULSELANE_TOKEN is its worker token, if the master requires one.
Put measurements of your own into `metrics()` and `tasks()`.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

REQUEST_WITHIN_S = 10.0
LONGEST_BACKOFF_S = 60.0
UNITS_S = {"s": 1, "m": 60, "h": 3600}


def metrics():
    """Numbers of your own, by name. They are shown beside the worker and in its history."""
    return {"load_1m": os.getloadavg()[0]}


def tasks():
    """What the worker runs at the moment."""
    return [{"task_id": "example-task", "cpu_allocated": 0.5, "memory_allocated": 0.25, "status": "running"}]


class Machine:
    """Usages of this Linux machine in percent."""

    def __init__(self):
        self._busy, self._total = self._cpu_times()

    def usages(self):
        busy, total = self._cpu_times()
        cpu = 100.0 * (busy - self._busy) / max(1, total - self._total)
        self._busy, self._total = busy, total
        return {"cpu_usage": round(max(0.0, cpu), 2), "memory_usage": round(self._memory(), 2)}

    @staticmethod
    def _cpu_times():
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
        busy = user + nice + system + irq + softirq + steal
        return busy, busy + idle + iowait

    @staticmethod
    def _memory():
        with open("/proc/meminfo", encoding="ascii") as file:
            kib = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return 100.0 * (1 - kib["MemAvailable"] / kib["MemTotal"])


class Worker:
    def __init__(self, options):
        self._options = options
        self._machine = Machine()
        self._instance_id = uuid.uuid4().hex  # tells the master that the worker was restarted
        self._sequence = 0
        self._stop = threading.Event()
        self._told = None

    def stop(self, *_):
        self._stop.set()

    def run(self):
        backoff_s = 1.0
        while not self._stop.is_set():
            try:
                answer = self._post(f"/api/v1/heartbeats?interval={self._options.interval}", self._heartbeat())
            except (OSError, ValueError) as error:  # not reached, or not allowed: see the text
                self._tell(str(error))
                # Up to half of it at random, so that a fleet does not come back all at once.
                self._stop.wait(backoff_s * random.uniform(0.5, 1))
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
                continue
            backoff_s = 1.0
            self._tell("; ".join(refusal["detail"] for refusal in answer["refused"]) or "accepted")
            self._stop.wait(self._options.interval_s)
        self._leave()

    def _heartbeat(self):
        self._sequence += 1
        options = self._options
        return {
            "worker_id": options.id,
            "instance_id": self._instance_id,
            "sequence": self._sequence,
            "sent_at_unix_ms": time.time() * 1000,
            **self._machine.usages(),
            "running_tasks": tasks(),
            "metrics": metrics(),
            # What the worker is. Sent each time, so that a master that was restarted knows it.
            "worker": {"group": options.group, "labels": dict(options.label), "total_cpu": os.cpu_count()},
        }

    def _leave(self):
        path = urllib.parse.quote(self._options.id, safe="")
        try:
            answer = self._post(f"/api/v1/workers/{path}/leave?instance_id={self._instance_id}")
            print("farewell:", answer["message"], flush=True)
        except (OSError, ValueError) as error:
            print("farewell:", error, flush=True)

    def _post(self, path, body=None):
        headers = {"Content-Type": "application/json"}
        token = os.environ.get("PULSELANE_TOKEN")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        request = urllib.request.Request(self._options.master + path, data, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_WITHIN_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    detail = json.load(error)["detail"]
                except (ValueError, KeyError):
                    detail = error.reason
            raise OSError(f"{error.code}: {detail}") from None

    def _tell(self, text):
        if text != self._told:
            print(text, flush=True)
            self._told = text


def pair(text):
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r}: expected name=value")
    return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--master", default="http://127.0.0.1:8080")
    parser.add_argument("--id", default=socket.gethostname())
    parser.add_argument("--interval", default="10s", help="1s to 24h")
    parser.add_argument("--group", default="")
    parser.add_argument("--label", action="append", default=[], type=pair, metavar="NAME=VALUE")
    options = parser.parse_args()
    match = re.fullmatch(r"(\d+)([smh])", options.interval)
    if match is None:
        parser.error(f"--interval {options.interval}: expected a duration such as 10s, 5m or 1h")
    options.interval_s = int(match[1]) * UNITS_S[match[2]]
    worker = Worker(options)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()


if __name__ == "__main__":
    sys.exit(main())
