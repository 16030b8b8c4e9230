"""What it takes to read a log of ten million requests: `reenact report` of a run that left no result.

    python3 tests/bench/report.py [REQUESTS [ENDPOINTS]]      (10,000,000 and 500; needs zstd and a release build)

Prints time and peak memory of a recount, and of one that follows rolling windows besides.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REENACT = os.environ.get("REENACT") or Path(__file__).resolve().parents[2] / "target/release/reenact"
RATE = 10_000
BUDGET_S, BUDGET_MIB = 20, 512


def lines(requests, endpoints, out):
    draw = random.Random(1)
    took = [int(draw.lognormvariate(15, 1)) + 100_000 for _ in range(4_096)]
    lag = [int(draw.expovariate(1 / 20_000)) for _ in range(4_001)]
    names = [f"GET /shop/{number}/item/{{id}}" for number in range(endpoints)]
    for start in range(0, requests, 50_000):
        some = []
        for number in range(start, min(start + 50_000, requests)):
            due = number * 1_000_000_000 // RATE
            sent = due + lag[number % 4_001]
            done = sent + took[number % 4_096]
            status = 500 if number % 997 == 0 else 200
            some.append(
                f'{{"seq":{number},"session":0,"client":"peer-{number % 5000:016x}","copy":0,"due_ns":{due},"released_ns":{due},'
                f'"held_by_seq":null,"busy_ns":0,"connect_ns":0,"dispatched_ns":{sent},"written_ns":{sent + 9000},"first_byte_ns":{done - 50000},'
                f'"done_ns":{done},"status":{status},"error":null,"shed":null,"method":"GET","endpoint":"{names[number % endpoints]}",'
                f'"bytes_in":2048,"bytes_out":420,"trace_id":"{number:032x}","span_id":"{number:016x}","recorded_trace_id":null}}\n'
            )
        out.write("".join(some).encode())


def measured(*arguments):
    began = time.monotonic()
    process = subprocess.Popen([REENACT, "report", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 3:
        sys.exit(f"ended with {process.returncode}: {said}")
    return said, time.monotonic() - began, usage.ru_maxrss / 1024


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    endpoints = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    with tempfile.TemporaryDirectory(prefix="reenact-bench-") as folder:
        log = Path(folder) / "requests.jsonl.zst"
        with subprocess.Popen(["zstd", "-1", "-q", "-o", log], stdin=subprocess.PIPE) as zstd:
            lines(requests, endpoints, zstd.stdin)
            zstd.stdin.close()
        print(f"{requests:,} requests of {endpoints:,} endpoints, {log.stat().st_size / 2**20:,.0f} MiB")
        rules = ["--fail-if", "p99 in any 10s > 1h", "--fail-if", "status_rate(5xx) in any 60s > 50%"]
        for name, more in [("recount", []), ("recount with two rolling windows", rules)]:
            said, seconds, mib = measured(folder, *more)
            assert f"{requests:,} sent" in said, said
            verdict = "within" if seconds <= BUDGET_S and mib <= BUDGET_MIB else "BEYOND"
            print(f"{name:<34}{seconds:6.1f} s {mib:6.0f} MiB   {verdict} {BUDGET_S} s and {BUDGET_MIB} MiB")


main()
