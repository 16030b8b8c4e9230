#!/usr/bin/env python3
"""What passing a request costs: relay with capture, relay without, nginx as a proxy, bare pingora-proxy.

Proxy on core 0 with all its threads (the recorder's writer included); wrk and the upstream nginx on core 1. 32
connections, answers of 45 bytes and of 10 KiB. Rounds are interleaved; medians are printed as a Markdown table.

    python3 tests/bench/relay.py [ROUNDS] [SECONDS]
"""

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from common import REENACT, ROOT, TARGET, cpu_seconds, free_port, median, start, stop, wait_for_port

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
CONNECTIONS = 32


def nginx(folder, name, core, port, server, extra=""):
    conf = Path(folder) / f"{name}.conf"
    conf.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nodelay on; {extra}
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


def measure(process, port, path):
    before = cpu_seconds(process.pid)
    wrk = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency"]
    out = subprocess.run([*wrk, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(process.pid) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    assert "Non-2xx" not in out, out
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99_ms = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return requests / SECONDS, p99_ms, spent / requests * 1e6


NAMES = ["reenact, capture on", "reenact, capture off", "nginx", "bare pingora-proxy"]


def run(folder, bare, rows, processes):
    """Fills `rows` and returns the recorder's own summary."""
    (Path(folder) / "small").write_bytes(b"x" * 45)
    (Path(folder) / "large").write_bytes(bytes(range(256)) * 40)
    Path(folder).chmod(0o755)  # nginx's worker is another user
    upstream, ports = free_port(), [free_port() for _ in NAMES]
    processes.append(nginx(folder, "upstream", 1, upstream, f"root {folder};"))
    pool = f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}"
    proxied = "location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ''; }"
    processes.append(recorder(ports[0], upstream, "--out", f"{folder}/session", "--json"))
    processes.append(recorder(ports[1], upstream, "--capture", "off"))
    processes.append(nginx(folder, "proxy", 0, ports[2], proxied, pool))
    processes.append(start(0, bare / "release" / "bare-proxy", f"127.0.0.1:{ports[3]}", f"127.0.0.1:{upstream}",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    wait_for_port(ports[3], processes[-1])
    measured = processes[1:]
    for _ in range(ROUNDS):
        for path in ["/small", "/large"]:
            for name, process, port in zip(NAMES, measured, ports):
                rows.setdefault((name, path), []).append(measure(process, port, path))
    measured[0].send_signal(signal.SIGINT)
    return measured[0].communicate(timeout=20)[0]


def main():
    bare = TARGET / "bare-proxy"
    manifest = ROOT / "tests/bench/bare-proxy/Cargo.toml"
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", bare], check=True)
    rows, processes = {}, []
    with tempfile.TemporaryDirectory() as folder:
        try:
            captured = run(folder, bare, rows, processes)
        finally:
            stop(*processes)
    print("| proxy | answer | requests/s | p99 ms | CPU µs a request | against capture off |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path, size in [("/small", "45 B"), ("/large", "10 KiB")]:
        floor = median([row[2] for row in rows["reenact, capture off", path]])
        for name in NAMES:
            rate, p99, cpu = (median([row[i] for row in rows[name, path]]) for i in range(3))
            print(f"| {name} | {size} | {rate:,.0f} | {p99:.2f} | {cpu:.1f} | {cpu / floor:.2f} |")
    print("\nthe recorder's own summary:", captured.strip())


main()
