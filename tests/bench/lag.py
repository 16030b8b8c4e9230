#!/usr/bin/env python3
"""How late requests of a constant schedule arrive, judged by an independent sink: reenact against oha.

The sender on core 0, the sink (tests/bench/sink.c) on core 1; 50 connections; lateness is measured against the ideal
grid, fitted by its earliest request. Runs are interleaved; medians are printed as a Markdown table.

    python3 tests/bench/lag.py [RATE] [SECONDS] [ROUNDS]
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import REENACT, ROOT, TARGET, free_port, median, start, stop, wait_for_port

RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
CONNECTIONS = 50


def session(folder):
    """A recording of RATE requests a second, spread over the connections, made by the product's own import."""
    lines = Path(folder) / "constant.jsonl"
    with lines.open("w") as out:
        for i in range(RATE * SECONDS):
            at, client = i * 1_000_000_000 // RATE, i % CONNECTIONS + 1
            request = {"method": "GET", "target": f"/item/{i}", "version": "HTTP/1.1", "headers": [["Host", "recorded"], ["Accept", "*/*"]]}
            instants = {"request_start": at, "request_head": at, "request_end": at}
            out.write(json.dumps({"type": "exchange", "client": f"peer-{client:016x}", "connection": client,
                                  "instants_ns": instants, "request": request}) + "\n")
    made = Path(folder) / "session"
    subprocess.run([REENACT, "import", "--format", "jsonl", lines, "-o", made], check=True, stdout=subprocess.DEVNULL)
    return made


def judged(folder, sink, send):
    port, arrivals = free_port(), Path(folder) / "arrivals"
    judge = start(1, sink, port, arrivals)
    wait_for_port(port, judge)
    send(port)
    stop(judge)
    at = sorted(int(line) for line in arrivals.read_text().split())
    grid = [instant - i * 1_000_000_000 // RATE for i, instant in enumerate(at)]
    late = sorted((offset - min(grid)) / 1e6 for offset in grid)
    quantile = lambda q: late[min(int(len(late) * q), len(late) - 1)]
    return len(at) / (RATE * SECONDS), quantile(0.5), quantile(0.99), quantile(0.999)


def main():
    oha = shutil.which("oha") or TARGET / "bench-tools/bin/oha"
    with tempfile.TemporaryDirectory() as folder:
        sink = Path(folder) / "sink"
        subprocess.run(["cc", "-O2", "-o", sink, ROOT / "tests/bench/sink.c"], check=True)
        recording, number = session(folder), iter(range(1000))

        def with_reenact(port):
            subprocess.run(["taskset", "-c", "0", REENACT, "replay", recording, "--target", f"http://127.0.0.1:{port}",
                            "--out", f"{folder}/run{next(number)}"], check=True, stdout=subprocess.DEVNULL)

        def with_oha(port):
            subprocess.run(["taskset", "-c", "0", oha, "--no-tui", "-n", str(RATE * SECONDS), "-q", str(RATE),
                            "-c", str(CONNECTIONS), f"http://127.0.0.1:{port}/item"], check=True, stdout=subprocess.DEVNULL)

        senders = {"reenact replay": with_reenact, "oha -q": with_oha}
        rows = {name: [] for name in senders}
        for _ in range(ROUNDS):
            for name, send in senders.items():
                rows[name].append(judged(folder, sink, send))
    print(f"| sender, {RATE:,}/s for {SECONDS} s | delivered | late p50 ms | p99 ms | p99.9 ms |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        delivered, p50, p99, p999 = (median([row[i] for row in found]) for i in range(4))
        print(f"| {name} | {delivered:.2%} | {p50:.3f} | {p99:.3f} | {p999:.3f} |")


main()
