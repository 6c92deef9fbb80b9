#!/usr/bin/env python3
"""A worker in Python: reports this machine and a metric of its own to a Pulselane master.

    python3 worker.py --master 127.0.0.1:50051 --id python-1 --group rack-1 --label team=render

It registers, streams heartbeats at the interval that the master asks for, tells what the master refuses, connects anew
with a growing wait when the master is lost, and says farewell on SIGTERM or Ctrl-C. It needs grpcio and protobuf.
Put measurements of your own into `metrics()` and `tasks()`.
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import sys
import threading
import time
import uuid

try:
    import grpc

    from pulselane.v1 import telemetry_pb2 as pb
    from pulselane.v1 import telemetry_pb2_grpc as rpc
except ModuleNotFoundError as error:
    sys.exit(
        f"{sys.executable} has no module '{error.name}'. Debian and Ubuntu: apt install python3-grpcio, and run it with "
        "/usr/bin/python3. Elsewhere: pip install grpcio protobuf in a virtual environment."
    )

INTERVAL_S = 5.0  # until the master names another one
REGISTER_WITHIN_S = 10
SHORTEST_SPAN_S = 0.5  # over which CPU usage is measured: a shorter one shows mostly this process
LONGEST_BACKOFF_S = 10.0
FAREWELL_WITHIN_S = 2.0
MOST_REASONS = 16  # that are printed
STARTED_AT_UNIX_MS = int(time.time() * 1000)


def metrics():
    """Numbers of your own, by name. They are shown beside the worker and in its history."""
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    return {"load_1m": os.getloadavg()[0], "processes": processes}


def tasks():
    """What the worker runs at the moment."""
    return [
        pb.RunningTask(
            task_id="example-task",
            cpu_allocated=0.5,  # cores
            memory_allocated=0.25,  # GiB
            status="running",
            started_at_unix_ms=STARTED_AT_UNIX_MS,
        )
    ]


class Machine:
    """Usages of this Linux machine in percent."""

    def __init__(self):
        self._busy, self._total = self._cpu_times()
        self._since = time.monotonic()
        self._cpu = 0.0

    def usages(self):
        if time.monotonic() - self._since >= SHORTEST_SPAN_S:
            self._since = time.monotonic()
            busy, total = self._cpu_times()
            self._cpu = max(0.0, 100.0 * (busy - self._busy) / max(1, total - self._total))
            self._busy, self._total = busy, total
        disk = shutil.disk_usage("/")
        return {
            "cpu_usage": self._cpu,
            "memory_usage": self._memory(),
            "storage_usage": 100.0 * disk.used / disk.total,
        }

    @staticmethod
    def capacity():
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {
            "total_cpu": float(os.cpu_count() or 1),
            "total_memory": memory / 2**30,
            "total_storage": shutil.disk_usage("/").total / 2**30,
        }

    @staticmethod
    def _cpu_times():
        with open("/proc/stat", encoding="ascii") as file:
            times = [int(text) for text in file.readline().split()[1:9]]
        return sum(times) - times[3] - times[4], sum(times)  # without idle and iowait

    @staticmethod
    def _memory():
        with open("/proc/meminfo", encoding="ascii") as file:
            kib = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return 100.0 * (1 - kib["MemAvailable"] / kib["MemTotal"])


class Worker:
    def __init__(self, options):
        self._options = options
        self._machine = Machine()
        self._instance_id = str(uuid.uuid4())  # one life of this process
        self._sequence = 0  # goes on over connections
        self._interval_s = INTERVAL_S
        self._quiet_until = 0.0  # the master asked to wait, by the monotonic clock
        self._told = set()  # refusals that were printed, until heartbeats are accepted again
        self._refused_sequence = 0
        self._unsure_sequence = None  # acknowledged after a refusal: its own may yet come
        self._trouble = None  # told once, until the worker is registered again
        self._stopping = threading.Event()
        self._call = None

    def stop(self, *_signal):
        """Says farewell and ends `run`; safe to call more than once, and in a signal handler."""
        self._stopping.set()

    def run(self):
        failures = 0
        self._stopping.wait(SHORTEST_SPAN_S)  # so that the first heartbeat has a CPU usage
        while not self._stopping.is_set():
            try:
                with self._channel() as channel:
                    stub = rpc.TelemetryServiceStub(channel)
                    self._register(stub)
                    failures = 0
                    self._stream(stub)
            except grpc.RpcError as error:
                self._lost(trouble_of(error, self._options.master))
            except OSError as error:  # such as a token that is being replaced
                self._lost(f"{error.filename} cannot be read: {error.strerror}")
            failures += 1
            # Half of the wait is random, so that a fleet which lost its master does not come back in one moment.
            longest = min(LONGEST_BACKOFF_S, 0.5 * 1.6 ** min(failures - 1, 10))
            self._stopping.wait(longest * random.uniform(0.5, 1.0))

    def _lost(self, trouble):
        if trouble != self._trouble and not self._stopping.is_set():
            print(f"{trouble}; trying again", flush=True)
        self._trouble = trouble

    def _channel(self):
        options = self._options
        # A line that was cut says nothing: pings find out.
        keepalive = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 5_000)]
        if not options.tls:
            return grpc.insecure_channel(options.master, keepalive)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read(options.tls_ca),
            private_key=read(options.tls_key),
            certificate_chain=read(options.tls_cert),
        )
        return grpc.secure_channel(options.master, credentials, keepalive)

    def _metadata(self):
        # Read anew for each connection: a token that was replaced needs no restart.
        token = read(self._options.token_file)
        return [("authorization", f"Bearer {token.decode('ascii').strip()}")] if token else []

    def _register(self, stub):
        info = pb.WorkerInfo(
            worker_id=self._options.id,
            instance_id=self._instance_id,
            group=self._options.group,
            labels=dict(self._options.label),
            agent_version="example-python",
            interval_ms=round(self._interval_s * 1000),
            **Machine.capacity(),
        )
        answer = stub.Register(info, timeout=REGISTER_WITHIN_S, metadata=self._metadata())
        self._obey(answer.next_interval_ms)
        self._trouble = None
        print(f"registered as {info.worker_id}", flush=True)

    def _stream(self, stub):
        """Returns when the stream has ended. Raises grpc.RpcError."""
        ended = threading.Event()
        self._call = stub.StreamHeartbeats(self._heartbeats(ended), metadata=self._metadata())
        try:
            for answer in self._call:
                self._answered(answer)
        finally:
            ended.set()

    def _heartbeats(self, ended):
        """Runs on a thread of gRPC's: yields a heartbeat whenever one is due."""
        due = time.monotonic()
        while not self._stopping.is_set():
            if time.monotonic() >= self._quiet_until:
                yield self._heartbeat()
            # From when it was due, not from now: otherwise each heartbeat would be a little later than the master expects.
            due = max(due + self._interval_s, time.monotonic())
            if self._wait(ended, due):
                return
        # The master answers what is left and ends its side; if it does not, the call is cut.
        threading.Thread(target=self._cut, args=(ended,), daemon=True).start()
        yield self._heartbeat(leaving=True)

    def _wait(self, ended, due):
        """Until the next heartbeat is due, or the worker stops. Returns whether the stream has ended."""
        while (left := due - time.monotonic()) > 0 and not self._stopping.is_set() and not ended.is_set():
            self._stopping.wait(min(left, 0.5))
        return ended.is_set()

    def _cut(self, ended):
        if not ended.wait(FAREWELL_WITHIN_S):
            self._call.cancel()

    def _heartbeat(self, leaving=False):
        self._sequence += 1
        return pb.Heartbeat(
            worker_id=self._options.id,
            instance_id=self._instance_id,
            sequence=self._sequence,
            sent_at_unix_ms=int(time.time() * 1000),
            running_tasks=tasks(),
            metrics=metrics(),
            leaving=leaving,
            **self._machine.usages(),
        )

    def _answered(self, answer):
        mine = self._options.id
        for refusal in answer.refusals:
            if refusal.worker_id in (mine, ""):
                self._refused(refusal)
        for ack in answer.acks:
            if ack.worker_id == mine:
                self._accepted(ack.accepted_sequence)
        self._obey(answer.next_interval_ms)

    def _accepted(self, sequence):
        if not self._told or sequence <= self._refused_sequence:
            return
        # The refusal of rejected values may come after the ack: only the second ack in peace means that all is well.
        if self._unsure_sequence is None or sequence <= self._unsure_sequence:
            self._unsure_sequence = self._unsure_sequence or sequence
            return
        self._told.clear()
        self._unsure_sequence = None
        print("the master accepts heartbeats again", flush=True)

    def _refused(self, refusal):
        self._refused_sequence = max(self._refused_sequence, refusal.sequence)
        self._quiet_until = time.monotonic() + refusal.retry_after_ms / 1000
        self._unsure_sequence = None
        code = pb.RefusalCode.Name(refusal.code).replace("REFUSAL_CODE_", "")
        what = "rejects the values of heartbeats" if refusal.heard else "refuses heartbeats"
        kind = re.sub(r"\d+", "#", f"{what}: {code}: {refusal.reason}")
        if kind in self._told or len(self._told) >= MOST_REASONS:
            return
        self._told.add(kind)
        print(f"the master {what}: {code}: {refusal.reason}", flush=True)

    def _obey(self, next_interval_ms):
        if next_interval_ms > 0:
            self._interval_s = next_interval_ms / 1000


# The master was reached, and answered with one of these.
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
}


def trouble_of(error, master):
    """What to print of a call that failed."""
    said = f"{error.code().name}: {error.details()}"
    if error.code() in REFUSALS:
        return f"the master {master} refuses this worker: {said}"
    # What gRPC says when it is answered by HTTP/1.1, in its versions.
    if re.search(r"http1|Failed parsing HTTP/2", said):
        return f"no gRPC answer from {master}; is it the HTTP port? ({said})"
    return f"no connection to {master}: {said}"


def read(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def address(text):
    host, _, port = text.rpartition(":")
    # An IPv6 address stands in brackets: without them, its last group would be taken for a port.
    whole = re.fullmatch(r"\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+", host) and re.fullmatch(r"[0-9]{1,5}", port)
    if not whole or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}': expected host:port, such as 10.0.0.5:50051")
    return text


def label(text):
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"'{text}' is no label, expected name=value")
    return name, value


def options_of(arguments=None):
    parser = argparse.ArgumentParser(description="Reports this machine to a Pulselane master.")
    parser.add_argument(
        "--master", default="127.0.0.1:50051", type=address, metavar="HOST:PORT", help="default: %(default)s"
    )
    # Not the host name: that is the id of the agent on this machine.
    own_id = f"{socket.gethostname()}-python"
    parser.add_argument("--id", default=own_id, help="unlike that of any other worker; default: %(default)s")
    parser.add_argument("--group", default="", help="workers that may fail together, such as those of a rack")
    parser.add_argument(
        "--label", action="append", type=label, default=[], metavar="NAME=VALUE", help="may be given again"
    )
    parser.add_argument("--token-file", metavar="FILE", help="holds the worker's token and nothing else")
    parser.add_argument("--tls", action="store_true", help="encrypt, and check the master's certificate")
    parser.add_argument("--tls-ca", metavar="FILE", help="authorities of the master's certificate (PEM)")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate by which the master knows this worker (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    options = parser.parse_args(arguments)
    options.tls = options.tls or any((options.tls_ca, options.tls_cert, options.tls_key))
    for path in (options.token_file, options.tls_ca, options.tls_cert, options.tls_key):
        try:
            read(path)
        except OSError as error:
            parser.error(f"{path} cannot be read: {error.strerror}")
    if bool(options.tls_cert) != bool(options.tls_key):
        parser.error("--tls-cert and --tls-key are needed together")
    return options


def main():
    worker = Worker(options_of())
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()


if __name__ == "__main__":
    main()
