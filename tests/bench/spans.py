#!/usr/bin/env python3
"""What a span costs, and whether the schedule feels it.

`reenact replay` at a constant rate without an exporter and with one for every request, over each protocol and into a file;
the replayer with all its threads on core 0, the target (tests/bench/sink.c) and the receiver of spans on core 1. A span's
cost is the processor time of a run with spans less that of the run without in the same round, by its number of spans; lag is
the run's own, in windows of a tenth of a second and as run.json has it. Rounds are interleaved; medians are printed as a Markdown table, and the span's share of the
replayer's processor time.

    python3 tests/bench/spans.py [RATE] [SECONDS] [ROUNDS] [WAY,…]      (ways: see WAYS)
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from common import REENACT, ROOT, TARGET, constant, free_port, logged, median, start, stop, wait_for_port, windows

RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
CONNECTIONS = 50
NONE = "none"
# Without spans first: the others are compared with it.
WAYS = {
    NONE: lambda grpc, http, file: [],
    "grpc": lambda grpc, http, file: ["--otlp-endpoint", grpc],
    "grpc, gzip": lambda grpc, http, file: ["--otlp-endpoint", grpc, "--otlp-compression", "gzip"],
    "http/protobuf": lambda grpc, http, file: ["--otlp-endpoint", http, "--otlp-protocol", "http/protobuf"],
    "http/json": lambda grpc, http, file: ["--otlp-endpoint", http, "--otlp-protocol", "http/json"],
    "file": lambda grpc, http, file: ["--otlp-file", file],
}
CHOSEN = [NONE, *(sys.argv[4].split(",") if len(sys.argv) > 4 else [way for way in WAYS if way != NONE])]


def replayed(command):
    """CPU seconds of a run, and its run.json."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["taskset", "-c", "0", *map(str, command), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 4):
        sys.exit(f"{command} ended with {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def lag_us(line):
    return (line["dispatched_ns"] - line["released_ns"] - line["connect_ns"]) / 1e3 if line["dispatched_ns"] else None


def main():
    python = TARGET / "test-venv/bin/python"
    with tempfile.TemporaryDirectory() as folder:
        sink = Path(folder) / "sink"
        subprocess.run(["cc", "-O2", "-o", sink, ROOT / "tests/bench/sink.c"], check=True)
        grpc, http = free_port(), free_port()
        receivers = [start(1, python, ROOT / "tests/bench/otlp_sink.py", grpc),
                     start(1, python, ROOT / "tests/bench/otlp_sink.py", http, "http")]
        for port, receiver in zip((grpc, http), receivers):
            wait_for_port(port, receiver)
        recording = constant(folder, RATE * SECONDS, RATE, CONNECTIONS)
        rows = {way: [] for way in CHOSEN}
        for round in range(ROUNDS):
            without = None
            for number, way in enumerate(CHOSEN):
                port, name = free_port(), f"{folder}/{round}-{number}"
                target = start(1, sink, port, f"{name}-arrivals")
                wait_for_port(port, target)
                more = WAYS[way](f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}", f"{name}.jsonl")
                cpu, run = replayed([REENACT, "replay", recording, "--target", f"http://127.0.0.1:{port}", "--answers", "none",
                                     "--out", f"{name}-run", *more])
                stop(target)
                without = cpu if way == NONE else without
                spans = run["spans"]["exported"]
                lost = sum(run["spans"]["dropped"].values()) + sum(run["spans"]["rejected"].values())
                each = (cpu - without) * 1e6 / spans if spans else 0.0
                lag = windows(logged(f"{name}-run", lag_us))
                rows[way].append((median([p50 for p50, _ in lag]), median([p99 for _, p99 in lag]), run["lag_us"]["p99"], cpu * 1e6 / run["sent"], each,
                                  (cpu - without) / cpu, 0 if way == NONE else lost))
        print(f"| spans, {RATE:,}/s for {SECONDS} s | lag p50 µs | lag p99 µs | to none | of the whole run | CPU µs a request | µs a span | of the CPU | lost |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        base = median([row[1] for row in rows[NONE]])
        for way, found in rows.items():
            p50, p99, whole, request, each, share, lost = (median([row[i] for row in found]) for i in range(7))
            print(f"| {way} | {p50:.0f} | {p99:.0f} | {p99 / base:.2f} | {whole:.0f} | {request:.1f} | {each:.1f} | {share:.0%} | {lost:.0f} |")
        stop(*receivers)


main()
