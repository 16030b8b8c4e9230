#!/usr/bin/env python3
"""How much passes through the recorder without loss, and whether memory stays flat, also the replayer's.

    python3 tests/bench/endurance.py throughput [ROUNDS] [SECONDS]   as fast as it goes, against nginx: the relay alone on its core,
                                                                     reader and store on that of wrk and the upstream; then with
                                                                     half of the proxies' core taken away (half.c; needs to be root),
                                                                     so that the other one has room for all of that
    python3 tests/bench/endurance.py sweep [SECONDS]                 what is missing in the session at a fifth to four fifths of that,
                                                                     by h2load
    python3 tests/bench/endurance.py soak [SECONDS] [RATE]           resident memory of recorder and replayer at a constant rate on
                                                                     1,000 connections, ten times in all
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import REENACT, ROOT, children, constant, free_port, median, start, stop
from recorder import nginx, recorder, rss_mib, upstream_of, wrk

SOAK_CONNECTIONS = 1_000
SWEEP_CONNECTIONS = 64


def beside(process):
    """The threads that do not pass on bytes go to the other core."""
    deadline = time.monotonic() + 20
    # The port is bound before there are threads, and a thread begins on the core of the one that starts it.
    while not {"relay", "reader", "store"} <= set(threads(process.pid).values()):
        if time.monotonic() > deadline:
            sys.exit(f"a recorder with the threads {threads(process.pid)}")
        time.sleep(0.02)
    for task, name in threads(process.pid).items():
        if name != "relay":
            os.sched_setaffinity(task, {1})


def threads(pid):
    return {int(task.name): (task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}


def end(process):
    process.send_signal(signal.SIGINT)
    return json.loads(process.communicate(timeout=60)[0])


def throughput(folder, processes, rounds, seconds):
    upstream, _, process = upstream_of(folder)
    processes.append(process)
    pool = f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}"
    reference = free_port()
    proxy = nginx(folder, "proxy", 0, reference, "location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ''; }", pool)
    processes.append(proxy)
    port = free_port()
    process = recorder(port, upstream, "--out", f"{folder}/session", "--json")
    processes.append(process)
    beside(process)
    answered = 0
    for slower in [None, half(folder)]:
        hog = slower and subprocess.Popen([slower, "0"])
        processes += [hog] if hog else []
        rows = {"nginx": [], "reenact": []}
        for _ in range(rounds):
            for name, at, one in [("nginx", reference, proxy), ("reenact", port, process)]:
                before, spent = busy(1), thread_seconds(one.pid)
                requests, _ = wrk(at, "small", seconds, Path(folder) / "wrk.lua")
                after, now = busy(1), thread_seconds(one.pid)
                of = {task: (cpu - spent.get(task, 0)) / requests * 1e6 for task, cpu in now.items()}
                other = (after[0] - before[0]) / (after[1] - before[1])
                rows[name].append((requests / seconds, max(of.values()), sum(of.values()), other))
                answered += requests if name == "reenact" else 0
        if hog:
            stop(hog)
        print("with half of its core" if hog else "with all of its core")
        for name in rows:
            rate, relay, whole, other = (median([row[at] for row in rows[name]]) for at in range(4))
            print(f"{name:8} {rate:,.0f}/s; {relay:.1f} µs of its core a request, {whole:.1f} with all threads; the other core {other:.0%} busy")
        ours, theirs = (median([row[0] for row in rows[name]]) for name in ["reenact", "nginx"])
        print(f"{ours / theirs:.2f}")
    ended = end(process)
    print(f"{ended['exchanges']:,} exchanges of {answered:,}, gaps {ended['gaps']}")


def sweep(folder, processes, seconds):
    upstream, _, process = upstream_of(folder)
    processes.append(process)
    port = free_port()
    one = recorder(port, upstream, "--out", f"{folder}/maximum", "--json")
    processes.append(one)
    beside(one)
    most = wrk(port, "small", seconds, Path(folder) / "wrk.lua")[0] / seconds
    end(one)
    print(f"at most {most:,.0f}/s\n\n| asked/s | of the most | answered | recorded | gaps |\n| --- | --- | --- | --- | --- |")
    for fifth in range(1, 5):
        rate = int(most * fifth / 5)
        port = free_port()
        one = recorder(port, upstream, "--out", f"{folder}/session-{fifth}-fifths", "--json")
        processes.append(one)
        beside(one)
        said = subprocess.run(["taskset", "-c", "1", "h2load", "--h1", "-t1", "-c", str(SWEEP_CONNECTIONS), "-D", str(seconds),
                               "--rps", str(rate / SWEEP_CONNECTIONS), f"http://127.0.0.1:{port}/small"], capture_output=True, text=True, check=True)
        answered = int(re.search(r"(\d+) succeeded", said.stdout).group(1))
        ended = end(one)
        print(f"| {rate:,} | {fifth / 5:.0%} | {answered:,} | {ended['exchanges']:,} | {ended['gaps']} |", flush=True)


def half(folder):
    program = Path(folder) / "half"
    subprocess.run(["cc", "-O2", "-o", program, ROOT / "tests/bench/half.c"], check=True)
    return program


def busy(core):
    """Ticks in which a core worked, and all of them."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    ticks = [int(field) for field in line.split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def thread_seconds(pid):
    """CPU time of each thread of a process and of its children."""
    return {task: int(Path(f"/proc/{one}/task/{task}/schedstat").read_text().split()[0]) / 1e9
            for one in [pid, *children(pid)] for task in threads(one)}


def soak(folder, processes, seconds, rate):
    upstream, _, process = upstream_of(folder)
    processes.append(process)
    port = free_port()
    one = recorder(port, upstream, "--out", f"{folder}/session", "--json", "--record-replays")
    processes.append(one)
    session = constant(folder, rate * 10, rate, SOAK_CONNECTIONS, path="/small")
    sender = start(1, REENACT, "replay", session, "--target", f"http://127.0.0.1:{port}", "--out", f"{folder}/run", "--answers", "none",
                   "--requests", "none", "--allow-origin", "--repeat", max(seconds // 10, 1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    processes.append(sender)
    print("| after s | recorder MiB | replayer MiB |\n| --- | --- | --- |")
    began = time.monotonic()
    for tenth in range(1, 11):
        while sender.poll() is None and time.monotonic() - began < seconds * tenth / 10 - 1:
            time.sleep(0.2)
        if sender.poll() is not None:
            break
        print(f"| {time.monotonic() - began:,.0f} | {rss_mib(one.pid):.0f} | {rss_mib(sender.pid):.0f} |", flush=True)
    sender.wait()
    ended, result = end(one), json.loads((Path(folder) / "run" / "run.json").read_text())
    print(f"\n{ended['exchanges']:,} exchanges of {result['sent']:,} sent, gaps {ended['gaps']}; the run is {result['verdict']['outcome']}")


def main():
    which = {"throughput": (throughput, 7, 4), "sweep": (sweep, 10), "soak": (soak, 3_600, 2_000)}
    what = sys.argv[1] if len(sys.argv) > 1 else "throughput"
    if what not in which:
        sys.exit(__doc__)
    run, *numbers = which[what]
    for place, given in enumerate(sys.argv[2:4]):
        numbers[place] = int(given)
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(folder, processes, *numbers)
        finally:
            stop(*processes)


main()
