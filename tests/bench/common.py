"""What the benches share: recordings, processes on a core, their CPU time, free ports, medians."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
REENACT = Path(os.environ.get("REENACT", TARGET / "release" / "reenact"))
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(core, *command, **options):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **options)


def wait_for_port(port, process=None, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process is not None and process.poll() is not None:
                sys.exit(f"{process.args} ended with {process.returncode}")
            time.sleep(0.02)
    sys.exit(f"nobody listens on port {port}")


def cpu_seconds(pid):
    """CPU time of a process with all its threads and its children that still run."""
    total = 0
    for one in [pid, *children(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def stop(*processes):
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def median(values):
    return statistics.median(values)


def windows(timed):
    """p50 and p99 of what was measured in each tenth of a second, given as (instant in ns, value), but for the first
    three. A machine that is not ours alone stops for some milliseconds now and then, and the p99 of a whole run
    says how often it did: of nine rounds in a row, directly and with the same load, it was 0.3 to 74 ms."""
    found = {}
    for instant, value in timed:
        found.setdefault(instant // 100_000_000, []).append(value)
    return [(of[len(of) // 2], of[len(of) * 99 // 100]) for of in (sorted(found[window]) for window in sorted(found)[3:]) if len(of) >= 50]


def logged(run, measured):
    """What the requests of a run were measured as, with their due instants; `None` of a line that has nothing to say."""
    lines = subprocess.run(["zstd", "-dcq", Path(run) / "requests.jsonl.zst"], capture_output=True, check=True).stdout.splitlines()
    values = ((line["due_ns"], measured(line)) for line in map(json.loads, lines))
    return [(due, value) for due, value in values if value is not None]


def constant(folder, requests, rate, connections, path=None):
    """A recording of so many requests at a constant rate, spread over the connections, made by the product's own import."""
    lines, made = Path(folder) / f"constant-{rate}.jsonl", Path(folder) / f"session-{rate}"
    with lines.open("w") as out:
        for i in range(requests):
            at, client = i * 1_000_000_000 // rate, i % connections + 1
            request = {"method": "GET", "target": path or f"/item/{i}", "version": "HTTP/1.1", "headers": [["Host", "recorded"], ["Accept", "*/*"]]}
            instants = {"request_start": at, "request_head": at, "request_end": at}
            out.write(json.dumps({"type": "exchange", "client": f"named-{client:016x}", "connection": client,
                                  "instants_ns": instants, "request": request}) + "\n")
    subprocess.run([REENACT, "import", "--format", "jsonl", lines, "-o", made], check=True, stdout=subprocess.DEVNULL)
    lines.unlink()
    return made
