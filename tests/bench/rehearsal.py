#!/usr/bin/env python3
"""The migration of docs/migration.md, once for each seed: recorded anew, the old version against itself, rules learned from
that, and the old version against the new one. Are the four changes found, and anything else?

    python3 tests/bench/rehearsal.py [SEEDS] [PAIRS]

SEEDS 1-10 by default (or as in 3-5, or 7), 6 PAIRS in each experiment: a minute and three quarters a seed. It runs the release
build; REENACT=PATH is another. Needs target/test-venv (tools/setup test) and nothing else to do for the machine. The exit code is
1 when a seed lacks a change or has one too many.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import REENACT, ROOT, TARGET, free_port, stop, wait_for_port

ARGUMENTS = dict(enumerate(sys.argv[1:]))
FIRST, _, LAST = ARGUMENTS.get(0, "1-10").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
PAIRS = ARGUMENTS.get(1, "6")
BINARY = Path(os.environ.get("REENACT", REENACT)).resolve()
PROGRAMS = TARGET.resolve() / "test-venv" / "bin"
SHOP = ROOT / "tests" / "rehearsal"
EXPERIMENT_S_MAX = 600
CHANGES = {
    "slower": "slower: GET /readers/{id}/loans",
    "renamed": "body $.fine_per_day renamed: GET /books/{id}",
    "header": "header header:x-total-count missing: GET /books",
    "error": "status status status: GET /search",
}


def reenact(folder, *arguments, codes=(0,)):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("REENACT_", "OTEL_"))}
    done = subprocess.run([BINARY, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, timeout=EXPERIMENT_S_MAX)
    if done.returncode not in codes:
        sys.exit(f"reenact {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def record(folder, old, seed):
    port = free_port()
    command = [BINARY, "record", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{old}", "--client-key", "cookie:visitor", "--out", "monday"]
    recorder = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, recorder)
        subprocess.run([PROGRAMS / "python", SHOP / "visitors.py", f"127.0.0.1:{port}", "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL, timeout=120)
    finally:
        recorder.send_signal(2)
        recorder.wait(20)


def experiment(folder, before, after, seed, out, *more):
    urls = ["--before", f"http://127.0.0.1:{before}", "--after", f"http://127.0.0.1:{after}"]
    options = ["--config", SHOP / "reenact.toml", "--aa", "0", "--pairs", PAIRS, "--seed", seed, "--out", out, "--json", *more]
    return json.loads(reenact(folder, "ab", *urls, "monday", *options, codes=(0, 1)))


def found(compared):
    """What was found, each change in one line; and the median of the slower endpoint, relative to the rest."""
    lines, median = set(), None
    for name, rows in [("the whole system", compared["system"])] + [(one["endpoint"], one["response"]) for one in compared["endpoints"]]:
        lines |= {f"{row['answer']}: {name}" for row in rows if row["answer"] in ("slower", "faster")}
        if CHANGES["slower"].endswith(name):
            median = rows[0]["relative"]
    for one in compared["answers"]["findings"]:
        if one["word"] == "changed":
            endpoints = ", ".join(at["endpoint"] for at in one["endpoints"])
            lines.add(f"{one['part']} {one['where']} {one['kind']}: {endpoints}")
    # Shares of statuses are the same change again, where the answers tell it.
    statuses = [line for line in lines if line.startswith("status")]
    for one in compared["outcomes"]:
        if not any(line.endswith(f": {one['endpoint']}") for line in statuses):
            lines.add(f"outcome {one['outcome']}: {one['endpoint']}")
    return lines, median


def rehearse(seed, old, new):
    with tempfile.TemporaryDirectory(prefix="reenact-rehearsal-") as folder:
        began = time.monotonic()
        record(folder, old, seed)
        again, _ = found(experiment(folder, old, old, seed, "again"))
        reenact(folder, "compare", "--learn", "rules.toml", "again/before", "again/after")
        with (Path(folder) / "rules.toml").open("a") as rules:
            rules.write((SHOP / "by-hand.toml").read_text())
        changed, median = found(experiment(folder, old, new, seed, "change", "--rules", "rules.toml"))
    lacking = [name for name, line in CHANGES.items() if line not in changed]
    others = sorted(changed - set(CHANGES.values()))
    low, high = (100 * end for end in median["interval"])
    slower = f"{100 * median['change']:+.1f} % [{low:+.1f}..{high:+.1f}]"
    marks = "  ".join("no " if name in lacking else "yes" for name in CHANGES)
    print(f"{seed:>4}  {len(again):>3}  {marks}  {slower:<24} {len(others):>6}  {time.monotonic() - began:>4.0f} s  {Path('/proc/loadavg').read_text().split()[0]:>5}", flush=True)
    for what in sorted(again):
        print(f"      old against old: {what}")
    for what in others:
        print(f"      old against new: {what}")
    return not (again or lacking or others)


def main():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: cargo build --release")
    ports = [free_port(), free_port()]
    commands = [
        ["gunicorn", "--bind", f"127.0.0.1:{ports[0]}", "-k", "gthread", "--threads", "64", "--keep-alive", "30", "--pythonpath", SHOP, "old:app"],
        ["uvicorn", "--host", "127.0.0.1", "--port", ports[1], "--timeout-keep-alive", "30", "--no-access-log", "--app-dir", SHOP, "new:app"],
    ]
    servers = [subprocess.Popen([PROGRAMS / name, *map(str, rest)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name, *rest in commands]
    try:
        for port, server in zip(ports, servers):
            wait_for_port(port, server)
        print("seed  A/A  slo  ren  hea  err  loans at p50             others  took   load")
        held = [rehearse(seed, *ports) for seed in SEEDS]
    finally:
        stop(*servers)
    print(f"{sum(held)} of {len(held)}: the four changes and nothing else, and nothing between old and old")
    sys.exit(0 if all(held) else 1)


main()
