#!/usr/bin/env python3
"""What recording costs: reenact with capture and without, against nginx, haproxy, bare pingora-proxy and mitmproxy.

The proxy with all its threads (the recorder's reader and store included) on core 0; wrk, or our own replayer, and the
upstream nginx on core 1. Answers: `small`, 64 bytes that are never the same; `repeated`, the same 10 KiB of JSON;
`different`, 10 KiB of JSON of 4,000 files in turn. Rounds are interleaved; medians are printed as Markdown.

    python3 tests/bench/recorder.py cpu [ROUNDS] [SECONDS]       CPU a request, beside `zstd -1` over the same bytes
    python3 tests/bench/recorder.py latency [ROUNDS] [SECONDS]   added at half of nginx's load, 6,000/s at most, by a constant schedule:
                                                                 medians of windows of 0.1 s
    python3 tests/bench/recorder.py memory                       1,000 busy connections; 10,000 idle ones
"""

import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import REENACT, ROOT, TARGET, constant, cpu_seconds, free_port, logged, median, start, stop, wait_for_port, windows

CONNECTIONS = 32
FILES = 4_000
LATENCY_RATE_MAX = 6_000
ANSWERS = ["small", "repeated", "different"]


def page(seed):
    """10 KiB of JSON as an API answers it: ids, words, numbers, times."""
    rng = random.Random(seed)
    words = ["shipped", "pending", "blue", "large", "kitchen", "garden", "express", "standard", "gift", "returned"]
    rows = []
    while len(json.dumps(rows)) < 10_000:
        rows.append({"id": rng.randrange(10**9), "name": " ".join(rng.choices(words, k=4)), "price": rng.randrange(10**5) / 100,
                     "created": f"2026-11-{rng.randrange(1, 28):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
                     "uuid": f"{rng.getrandbits(128):032x}", "tags": rng.choices(words, k=3)})
    return json.dumps(rows).encode()[:10_239] + b"]"


def nginx(folder, name, core, port, server, extra=""):
    conf = Path(folder) / f"{name}.conf"
    conf.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 1h; sendfile on; tcp_nodelay on;
default_type application/json; open_file_cache max=10000; {extra}
server {{ listen 127.0.0.1:{port} backlog=4096; {server} }} }}"""
    )
    process = start(core, "nginx", "-c", conf, "-e", f"{folder}/{name}.log")
    wait_for_port(port, process)
    return process


def recorder(port, upstream, *more):
    process = start(
        0, REENACT, "record", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{upstream}", *more,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    wait_for_port(port, process)
    return process


def haproxy(folder, port, upstream):
    conf = Path(folder) / "haproxy.cfg"
    conf.write_text(
        f"""global
  nbthread 1
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen proxy
  bind 127.0.0.1:{port}
  server u 127.0.0.1:{upstream}
"""
    )
    return start(0, "haproxy", "-f", conf, stderr=subprocess.DEVNULL)


def proxies(folder, upstream, processes):
    """Name, process and port of each proxy that this machine has."""
    pool = f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}"
    proxied = "location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ''; }"
    bare = TARGET / "bare-proxy"
    manifest = ROOT / "tests/bench/bare-proxy/Cargo.toml"
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", bare], check=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    makers = {
        "reenact, capture on": lambda port: recorder(port, upstream, "--out", f"{folder}/session", "--json", "--record-replays"),
        "reenact, capture off": lambda port: recorder(port, upstream, "--capture", "off"),
        "nginx": lambda port: nginx(folder, "proxy", 0, port, proxied, pool),
        "bare pingora-proxy": lambda port: start(0, bare / "release" / "bare-proxy", f"127.0.0.1:{port}", f"127.0.0.1:{upstream}", **quiet),
    }
    if shutil.which("haproxy"):
        makers["haproxy"] = lambda port: haproxy(folder, port, upstream)
    mitmdump = shutil.which("mitmdump") or TARGET / "bench-venv" / "bin" / "mitmdump"
    if Path(mitmdump).exists():
        makers["mitmdump -w"] = lambda port: start(
            0, mitmdump, "-q", "-w", f"{folder}/flows", "--mode", f"reverse:http://127.0.0.1:{upstream}", "-p", port, **quiet)
    made = []
    for name, make in makers.items():
        port = free_port()
        processes.append(make(port))
        wait_for_port(port, processes[-1])
        made.append((name, processes[-1], port))
    return made


def upstream_of(folder):
    root = Path(folder) / "root"
    (root / "different").mkdir(parents=True)
    for number in range(FILES):
        (root / "different" / str(number)).write_bytes(page(number))
    shutil.copy(root / "different" / "0", root / "repeated")
    for one in [Path(folder), root, root / "different"]:
        one.chmod(0o755)  # nginx's worker is another user
    port = free_port()
    small = "location = /small { return 200 '{\"id\": \"$request_id\", \"state\": \"pending\"}'; }"
    return port, root, nginx(folder, "upstream", 1, port, f"root {root}; {small}")


def wrk(port, answer, seconds, script):
    script.write_text(
        f"""local n = 0
request = function() n = (n + 1) % {FILES}; return wrk.format("GET", "/different/" .. n) end"""
        if answer == "different" else f'wrk.path = "/{answer}"'
    )
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script),
               f"http://127.0.0.1:{port}/"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return int(re.search(r"(\d+) requests in", out).group(1)), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def zstd_us(root, answer):
    """CPU of `zstd -1` over the answers, as blocks of 1 MiB, in µs an answer."""
    count = 2_000
    files = [root / "different" / str(number) if answer == "different" else root / "repeated" for number in range(count)]
    with tempfile.NamedTemporaryFile() as whole:
        for file in files:
            whole.write(file.read_bytes())
        whole.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(5):
            subprocess.run(["taskset", "-c", "0", "zstd", "-1", "--single-thread", "-B1048576", "-q", "-f", "-o", os.devnull, whole.name], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / 5 / count * 1e6


def cpu(folder, processes, rounds, seconds):
    upstream, root, process = upstream_of(folder)
    processes.append(process)
    made = proxies(folder, upstream, processes)
    rows = {}
    for _ in range(rounds):
        for answer in ANSWERS:
            for name, process, port in made:
                before = cpu_seconds(process.pid)
                requests, p99_ms = wrk(port, answer, seconds, Path(folder) / "wrk.lua")
                time.sleep(0.3)  # what waits to be written is part of the cost
                spent = cpu_seconds(process.pid) - before
                rows.setdefault((name, answer), []).append((requests / seconds, p99_ms, spent / requests * 1e6))
    print("| answers | proxy | requests/s | p99 ms | CPU µs a request | against nginx | against the relay alone |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    of = lambda name, answer, at: median([row[at] for row in rows[name, answer]])
    for answer in ANSWERS:
        reference, relay = of("nginx", answer, 2), of("reenact, capture off", answer, 2)
        for name, *_ in made:
            rate, p99, cost = (of(name, answer, at) for at in range(3))
            print(f"| {answer} | {name} | {rate:,.0f} | {p99:.2f} | {cost:.1f} | {cost / reference:.2f} | {cost / relay:.2f} |")
    for answer in ANSWERS[1:]:
        print(f"\n`zstd -1` over the {answer} answers: {zstd_us(root, answer):.1f} µs an answer", end="")
    recorder_process = made[0][1]
    recorder_process.send_signal(signal.SIGINT)
    ended = json.loads(recorder_process.communicate(timeout=60)[0])
    print(f"\n\nrecorded {ended['exchanges']:,} exchanges in {ended['file_bytes'] / 1e6:,.0f} MB, gaps: {ended['gaps']}")


def latency(folder, processes, rounds, seconds):
    upstream, _, process = upstream_of(folder)
    processes.append(process)
    made = [("direct", process, upstream), *[one for one in proxies(folder, upstream, processes) if "mitm" not in one[0]]]
    port = next(port for name, _, port in made if name == "nginx")
    most = wrk(port, "small", seconds, Path(folder) / "wrk.lua")[0] / seconds
    # Sender and upstream share a core: where half of what a proxy can do would fill it, there would be queues everywhere.
    rate = min(int(most / 2 // 1_000 * 1_000), LATENCY_RATE_MAX)
    session = constant(folder, rate * seconds, rate, CONNECTIONS, path="/small")
    rows = {}
    for _ in range(rounds):
        for name, _, port in made:
            run = Path(folder) / "run"
            shutil.rmtree(run, ignore_errors=True)
            said = subprocess.run(
                ["taskset", "-c", "1", REENACT, "replay", session, "--target", f"http://127.0.0.1:{port}", "--out", run,
                 "--answers", "none", "--allow-origin"], capture_output=True, text=True)
            assert said.returncode in (0, 4), said.stderr
            rows.setdefault(name, []).extend(windows(logged(run, service_us)))
    print(f"| through, at {rate:,}/s on {CONNECTIONS} connections | p50 µs | p99 µs | p50 added | p99 added | p99 of a tenth to nine tenths of the windows |")
    print("| --- | --- | --- | --- | --- | --- |")
    of = lambda name, at: median([row[at] for row in rows[name]])
    for name, *_ in made:
        p50, p99 = of(name, 0), of(name, 1)
        tenths = statistics.quantiles([row[1] for row in rows[name]], n=10)
        print(f"| {name} | {p50:.0f} | {p99:.0f} | {p50 - of('direct', 0):.0f} | {p99 - of('direct', 1):.0f} | {tenths[0]:.0f}–{tenths[-1]:.0f} |")


def service_us(line):
    return (line["done_ns"] - line["dispatched_ns"]) / 1e3 if line["done_ns"] else None


def rss_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def memory(folder, processes, *_):
    upstream, _, process = upstream_of(folder)
    processes.append(process)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    port = free_port()
    one = recorder(port, upstream, "--out", f"{folder}/busy", "--json")
    processes.append(one)
    seconds = 10
    script = Path(folder) / "wrk.lua"
    script.write_text('wrk.path = "/small"')
    sender = subprocess.Popen(["taskset", "-c", "1", "wrk", "-t1", "-c1000", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/"],
                              stdout=subprocess.PIPE, text=True)
    most = 0
    while sender.poll() is None:
        most = max(most, rss_mib(one.pid))
        time.sleep(0.1)
    answered = int(re.search(r"(\d+) requests in", sender.communicate()[0]).group(1))
    one.send_signal(signal.SIGINT)
    ended = json.loads(one.communicate(timeout=60)[0])
    print(f"1,000 connections, {answered / seconds:,.0f}/s for {seconds} s: at most {most:.0f} MiB, "
          f"{ended['exchanges']:,} exchanges recorded of {answered:,} answered, gaps: {ended['gaps']}")
    port = free_port()
    two = recorder(port, upstream, "--out", f"{folder}/idle", "--json")
    processes.append(two)
    before, sockets = rss_mib(two.pid), []
    idle = min(10_000, (limit - 300) // 2)  # the recorder needs two descriptors for each
    for _ in range(idle):
        sockets.append(socket.create_connection(("127.0.0.1", port)))
    for one in sockets:
        one.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
        one.recv(4096)
    time.sleep(3)
    print(f"{idle:,} idle connections, each after one request: {rss_mib(two.pid):.0f} MiB, {before:.0f} MiB before")


def main():
    which = {"cpu": cpu, "latency": latency, "memory": memory}
    what = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    if what not in which:
        sys.exit(__doc__)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            which[what](folder, processes, rounds, seconds)
        finally:
            stop(*processes)


if __name__ == "__main__":
    main()
