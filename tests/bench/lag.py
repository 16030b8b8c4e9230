#!/usr/bin/env python3
"""How late requests of a constant schedule arrive, and what each costs, judged by an independent sink.

Senders: `reenact replay` with contexts on all requests and spans on 1 % and on all (full results), `oha -q`, and the floor,
a bare pacing loop in C (tests/bench/pace.c). The sender with all its threads on core 0, the sink (tests/bench/sink.c) and
the span receiver on core 1; 50 connections; lateness is measured against the ideal grid, fitted by its earliest request, in windows
of a tenth of a second and over whole runs.
Rounds are interleaved; medians are printed as a Markdown table.

    python3 tests/bench/lag.py [RATE[,RATE…]] [SECONDS] [ROUNDS]
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import REENACT, ROOT, TARGET, constant, free_port, median, start, stop, wait_for_port, windows

RATES = [int(rate) for rate in (sys.argv[1] if len(sys.argv) > 1 else "2000").split(",")]
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
CONNECTIONS = 50


def judged(folder, sink, rate, command):
    """Delivered share, lateness quantiles in ms, CPU µs a request, peak RSS in MB and exit code of one run of a sender."""
    port, arrivals = free_port(), Path(folder) / "arrivals"
    judge = start(1, sink, port, arrivals)
    wait_for_port(port, judge)
    done = subprocess.run(["taskset", "-c", "0", "/usr/bin/env", "python3", "-c", MEASURED, *map(str, command(port))],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    cpu, rss, code = map(float, done.stdout.strip().splitlines()[-1].split())
    stop(judge)
    at = sorted(int(line.split()[0]) for line in arrivals.read_text().splitlines())
    grid = [instant - i * 1_000_000_000 // rate for i, instant in enumerate(at)]
    first = min(grid)
    late = sorted((offset - first) / 1e6 for offset in grid)
    quantile = lambda q: late[min(int(len(late) * q), len(late) - 1)]
    typical = windows((i * 1_000_000_000 // rate, (offset - first) / 1e6) for i, offset in enumerate(grid))
    p50, p99 = (median([window[at] for window in typical]) for at in range(2))
    return len(at) / (rate * SECONDS), p50, p99, quantile(0.99), quantile(0.999), cpu * 1e6 / len(at), rss / 1024, code


# Runs a command and prints its CPU seconds, peak RSS in KiB and exit code: a process of its own, so that nobody else's count.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, code)
# 3: something of the results was lost, 4: the run says that it is not valid; the table says so.
sys.exit(0 if code in (0, 3, 4) else code)
"""


def main():
    oha = shutil.which("oha") or TARGET / "bench-tools/bin/oha"
    python = TARGET / "test-venv/bin/python"
    with tempfile.TemporaryDirectory() as folder:
        sink, pace = Path(folder) / "sink", Path(folder) / "pace"
        for source, program in [("sink.c", sink), ("pace.c", pace)]:
            subprocess.run(["cc", "-O2", "-o", program, ROOT / "tests/bench" / source], check=True)
        collector = free_port()
        receiver = start(1, python, ROOT / "tests/bench/otlp_sink.py", collector)
        wait_for_port(collector, receiver)
        number = iter(range(1_000_000))
        for rate in RATES:
            recording = constant(folder, rate * SECONDS, rate, CONNECTIONS)

            def replay(sample):
                return lambda port: [REENACT, "replay", recording, "--target", f"http://127.0.0.1:{port}", "--trace-sample", sample,
                                     "--otlp-endpoint", f"http://127.0.0.1:{collector}", "--out", f"{folder}/run{next(number)}"]

            senders = {
                "reenact replay, spans on 1 %": replay("0.01"),
                "reenact replay, spans on all": replay("1"),
                "oha -q": lambda port: [oha, "--no-tui", "-n", rate * SECONDS, "-q", rate, "-c", CONNECTIONS, f"http://127.0.0.1:{port}/item"],
                "bare pacing loop": lambda port: [pace, port, rate, SECONDS, CONNECTIONS],
            }
            rows = {name: [] for name in senders}
            for _ in range(ROUNDS):
                for name, command in senders.items():
                    rows[name].append(judged(folder, sink, rate, command))
            print(f"| sender, {rate:,}/s for {SECONDS} s | delivered | late p50 ms | p99 ms | of the whole run | p99.9 ms | CPU µs a request | RSS MB | exit codes |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            for name, found in rows.items():
                delivered, p50, p99, whole, p999, cpu, rss = (median([row[i] for row in found]) for i in range(7))
                codes = ", ".join(sorted({f"{row[7]:.0f}" for row in found}))
                print(f"| {name} | {delivered:.2%} | {p50:.3f} | {p99:.3f} | {whole:.3f} | {p999:.3f} | {cpu:.1f} | {rss:.0f} | {codes} |", flush=True)
            print(flush=True)
        stop(receiver)


main()
