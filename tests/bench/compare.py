#!/usr/bin/env python3
"""Time and memory of `reenact compare` on two runs: tests/bench/compare.py [REQUESTS_A_RUN [answers]].

Makes two run directories as they are documented (docs/run-directory.md): 20 endpoints by Zipf, latencies log-normal, one
endpoint 10 % slower in the second. Prints what a process of one thread that only reads both logs (zstd -dc) takes, as the
yardstick. With REENACT_BENCH_DIR the directories are kept there and used again.

With `answers` both runs have kept theirs, too: JSON of about 300 bytes, in the order in which requests ended, of which every
hundredth has another total after.
"""

import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from common import REENACT

ENDPOINTS = 20
SECONDS = 3_600
CHANGED = 2
# Lines of which the log is made again and again, with other instants.
KINDS = 1 << 14


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def run_json(requests, run_id):
    """The smallest result that the schema takes, from that of a real run."""
    exchange = {
        "type": "exchange", "client": "peer-0000000000000001", "connection": 1,
        "instants_ns": dict.fromkeys(["request_start", "request_head", "request_end", "response_start", "response_head", "response_end"], 0),
        "request": {"method": "GET", "target": "/", "version": "HTTP/1.1", "headers": [["Host", "recorded.invalid"]]},
        "response": {"version": "HTTP/1.1", "status": 204, "reason": "No Content", "headers": [], "framing": "none"},
    }
    folder = tempfile.mkdtemp(prefix="reenact-bench-")
    session, out = f"{folder}/s", f"{folder}/run"
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([REENACT, "import", "--format", "jsonl", "-", "-o", session], input=json.dumps(exchange).encode(), **quiet)
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run([REENACT, "replay", session, "--target", f"http://127.0.0.1:{server.server_port}", "--out", out], **quiet)
    server.shutdown()
    result = json.loads(Path(out, "run.json").read_text())
    result.update(run_id=run_id, planned=requests, settled=requests, dispatched=requests, sent=requests, completed=requests)
    result["steady"].update(from_ns=0, to_ns=SECONDS * 10**9)
    shutil.rmtree(folder)
    return result


def make(path, requests, slower, seed):
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(run_json(requests, f"{seed:016x}")))
    draw = random.Random(seed)
    weights = [1 / rank for rank in range(1, ENDPOINTS + 1)]
    bases = [math.exp(random.Random(7).gauss(15, 1)) * (1 + rank / 10) for rank in range(ENDPOINTS)]
    kinds = []
    for endpoint in draw.choices(range(ENDPOINTS), weights, k=KINDS):
        took = bases[endpoint] * math.exp(draw.gauss(0, 0.5)) * (1.1 if slower and endpoint == CHANGED else 1)
        kinds.append((int(took), f'"status":200,"error":null,"shed":null,"method":"GET","endpoint":"GET /endpoint/{endpoint}/{{id}}","bytes_in":512,"bytes_out":256,"trace_id":"', endpoint))
    writer = subprocess.Popen(["zstd", "-q", "-1", "-o", path / "requests.jsonl.zst"], stdin=subprocess.PIPE)
    gap = SECONDS * 10**9 // requests
    lines = []
    for number in range(requests):
        took, rest, _ = kinds[(number * 7919) % KINDS]
        due, lag = number * gap, number % 97 * 1_000
        lines.append(
            f'{{"seq":{number},"session":0,"client":"peer-{number % 5000:016x}","copy":0,"due_ns":{due},"released_ns":{due},"held_by_seq":null,"busy_ns":0,"connect_ns":0,'
            f'"dispatched_ns":{due + lag},"written_ns":{due + lag + 9_000},"first_byte_ns":{due + lag + took // 2},"done_ns":{due + lag + took},{rest}'
            f'{number * 0x9E3779B97F4A7C15 & (2**128 - 1):032x}","span_id":"{number:016x}","recorded_trace_id":null}}\n'
        )
        if len(lines) == 20_000:
            writer.stdin.write("".join(lines).encode())
            lines.clear()
    writer.stdin.write("".join(lines).encode())
    writer.stdin.close()
    writer.wait()


def answers(path, requests, slower):
    """What the run got, as the session that `--answers all` writes."""
    command = [REENACT, "import", "--format", "jsonl", "-", "-o", path / "answers"]
    process = subprocess.Popen([str(one) for one in command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    gap = SECONDS * 10**9 // requests
    instants = '"request_start":{0},"request_head":{0},"request_end":{0},"response_start":{1},"response_head":{1},"response_end":{1}'
    bodies = [
        f'{{"id":{kind},"items":[{{"sku":"SKU-{kind:06}","name":"Stainless steel bottle","quantity":{kind % 5},"price":{kind / 4}}},'
        f'{{"sku":"SKU-{kind + 1:06}","name":"Linen towel, grey","quantity":1,"price":12.5}}],"customer":"c-{kind % 977}","total":@}}'
        for kind in range(1 << 12)
    ]
    bodies = [json.dumps(body)[1:-1] for body in bodies]
    lines = []
    for number in range(requests):
        # Neighbours end in another order on each side.
        seq = min(requests - 1, number ^ (5 if slower else 3))
        kind = seq * 7919 % len(bodies)
        body = bodies[kind].replace("@", str(kind * 3 + (slower and seq % 100 == 0)))
        begun = seq * gap
        lines.append(
            f'{{"type":"exchange","client":"peer-{seq % 5000:016x}","connection":1,"instants_ns":{{{instants.format(begun, begun + 1_000_000)}}},'
            f'"replay_of":{{"session":0,"seq":{seq},"copy":0}},'
            f'"request":{{"method":"GET","target":"/endpoint/{seq % ENDPOINTS}/{seq}","version":"HTTP/1.1","headers":[["Host","shop.invalid"]]}},'
            f'"response":{{"version":"HTTP/1.1","status":200,"reason":"OK","headers":[["Content-Type","application/json"]],"framing":"none",'
            f'"body":{{"text":"{body}"}}}}}}\n'
        )
        if len(lines) == 20_000:
            process.stdin.write("".join(lines).encode())
            lines.clear()
    process.stdin.write("".join(lines).encode())
    process.stdin.close()
    if process.wait() != 0:
        sys.exit("import failed")


def measured(*command):
    """Seconds, CPU seconds and peak memory of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE)
    peak = 0
    out = []
    os.set_blocking(process.stdout.fileno(), False)
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) // 1024)
        except (FileNotFoundError, IndexError, ProcessLookupError):
            pass
        out.append(process.stdout.read() or b"")
        time.sleep(0.05)
    out.append(process.stdout.read() or b"")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu, peak, process.returncode, b"".join(out).decode()


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with_answers = sys.argv[2:] == ["answers"]
    kept = os.environ.get("REENACT_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="reenact-bench-") as folder:
        base = Path(kept or folder) / f"compare-{requests}"
        for name, slower, seed in [("before", False, 1), ("after", True, 2)]:
            if not (base / name).exists():
                make(base / name, requests, slower, seed)
            if with_answers and not (base / name / "answers").exists():
                answers(base / name, requests, slower)
        logs = [base / name / "requests.jsonl.zst" for name in ("before", "after")]
        seconds, cpu, *_ = measured("sh", "-c", f"zstd -dc {logs[0]} {logs[1]} > /dev/null")
        print(f"two logs of {requests:,} lines, {sum(log.stat().st_size for log in logs) / 1e6:.0f} MB: zstd -dc takes {cpu:.1f} s of CPU")
        seconds, cpu, peak, code, out = measured(REENACT, "compare", base / "before", base / "after")
        print(f"reenact compare: {seconds:.1f} s ({cpu:.1f} s of CPU), {peak} MiB at most, exit code {code}")
        print(out if code not in (0, 1) else "\n".join(out.splitlines()[:5]))


if __name__ == "__main__":
    main()
