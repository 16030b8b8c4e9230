#!/usr/bin/env python3
"""How large sessions are, how fast they are written, printed and imported, and in how much memory.

For each kind of traffic (traffic.py: `api`, small bodies that are all different; `pages`, a static site served by nginx, whose bodies
repeat; `mixed`, GraphQL, a gRPC gateway, forms, uploads and images) the same exchanges become a session, the file that GoReplay would
write (`.gor.gz`: requests and responses, gzip level 6) and a HAR as exporters write it (contents decoded, base64 where binary,
`gzip -9`). Raw bytes are heads and bodies as on the wire. Speeds are raw megabytes in a second of processor time over all threads, so
that a busy machine changes them little; that of writing and of the parts of cat and import are measured in one process by
formats/benches/sessions.rs. Memory is the largest resident set of each command.

    python3 tests/bench/sessions.py [--kinds api,pages,mixed] [--mb 100] [--rounds 3] [--memory-mb 10,1000] [--memory-kind api] [--seed 1]
    python3 tests/bench/sessions.py --kinds api --mb 100 --make LINES.jsonl

The same seed makes the same traffic on the same machine, without a network.
"""

import argparse
import base64
import datetime
import gzip
import json
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import traffic
from common import REENACT, ROOT, median

MB = 1_000_000
SEPARATOR = "\n🐵🙈🙉\n".encode()
# Of .gor.gz, as asked for: bodies that repeat, and others.
ASKED = {"pages": 0.4, "api": 0.6, "mixed": 0.6}


class Jsonl:
    """What `reenact import --format jsonl` reads."""

    def __init__(self, path):
        self.out = path.open("w")
        self.out.write(json.dumps({"type": "session", "header": {"started_unix_ns": traffic.STARTED}}) + "\n")

    def add(self, number, exchange, request, answer):
        at, done = exchange.at_ns, exchange.at_ns + exchange.took_ns
        instants = {"request_start": at, "request_head": at, "request_end": at + len(request), "connected": None,
                    "response_start": done - exchange.took_ns // 9, "response_head": done - exchange.took_ns // 9, "response_end": done}
        line = {"type": "exchange", "client": f"named-{exchange.client:016x}", "connection": exchange.connection, "instants_ns": instants,
                "request": {"method": exchange.method, "target": exchange.target, "version": "HTTP/1.1", "headers": exchange.fields,
                            "body": body_of(exchange.body)},
                "response": {"version": "HTTP/1.1", "status": exchange.status, "reason": exchange.reason, "headers": exchange.answer_fields,
                             "body": body_of(exchange.answer) | ({"chunks": exchange.chunks} if exchange.chunks else {})}}
        self.out.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")

    def close(self):
        self.out.close()


class Gor:
    """GoReplay's file: its ids are the connection and the TCP acknowledgement number, which compress better than random ones."""

    def __init__(self, path):
        self.out, self.acknowledged = gzip.open(path, "wb", 6), {}

    def add(self, number, exchange, request, answer):
        before = self.acknowledged.get(exchange.connection, exchange.connection * 40_503 % 2**32)
        self.acknowledged[exchange.connection] = (before + len(answer)) % 2**32
        name = f"1f90c0a8{exchange.connection:08x}{before:08x}"
        at = traffic.STARTED + exchange.at_ns
        for kind, moment, latency, message in ((1, at, 0, request), (2, at + exchange.took_ns, exchange.took_ns, answer)):
            self.out.write(f"{kind} {name} {moment} {latency}\n".encode() + message + SEPARATOR)

    def close(self):
        self.out.close()


class Har:
    """One HAR document, entry by entry."""

    def __init__(self, path):
        self.out = gzip.open(path, "wb", 9)
        self.out.write(b'{"log":{"version":"1.2","creator":{"name":"bench","version":"1"},"pages":[],"entries":[')

    def add(self, number, exchange, request, answer):
        moment = datetime.datetime.fromtimestamp((traffic.STARTED + exchange.at_ns) / traffic.SECOND, datetime.timezone.utc)
        asked, answered = dict(lowered(exchange.fields)), dict(lowered(exchange.answer_fields))
        url = f"https://{asked['host']}{exchange.target}"
        took = exchange.took_ns / 1e6
        sent = {"method": exchange.method, "url": url, "httpVersion": "HTTP/1.1", "cookies": cookies(asked.get("cookie", ""), "; "),
                "headers": named(exchange.fields), "queryString": named(parse_qsl(urlsplit(url).query)),
                "headersSize": len(request) - len(exchange.body), "bodySize": len(exchange.body)}
        if exchange.body:
            sent["postData"] = {"mimeType": asked["content-type"], "text": exchange.body.decode("utf-8", "replace")}
        content = exchange.answer
        if answered.get("content-encoding") == "gzip":
            content = zlib.decompress(content, 31)
        shown = {"size": len(content), "mimeType": answered.get("content-type", ""), **har_text(content)}
        got = {"status": exchange.status, "statusText": exchange.reason, "httpVersion": "HTTP/1.1", "cookies": [], "headers": named(exchange.answer_fields),
               "content": shown, "redirectURL": answered.get("location", ""), "headersSize": -1, "bodySize": len(exchange.answer)}
        entry = {"startedDateTime": moment.isoformat(timespec="milliseconds"), "time": took, "request": sent, "response": got, "cache": {},
                 "timings": {"send": 0, "wait": took * 8 / 9, "receive": took / 9}, "connection": str(exchange.connection)}
        self.out.write((b"," if number else b"") + json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode())

    def close(self):
        self.out.write(b"]}}")
        self.out.close()


def body_of(content):
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def har_text(content):
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(content).decode(), "encoding": "base64"}


def named(fields):
    return [{"name": name, "value": value} for name, value in fields]


def lowered(fields):
    return [(name.lower(), value) for name, value in fields]


def cookies(text, separator):
    return named(part.split("=", 1) for part in text.split(separator) if "=" in part)


def make(kind, seed, raw_bytes, sinks):
    """Gives the same exchanges to all sinks; how many, and their raw bytes."""
    count = raw = 0
    for exchange in traffic.of_kind(kind, seed, raw_bytes):
        request, answer = traffic.wire(exchange)
        for sink in sinks:
            sink.add(count, exchange, request, answer)
        count, raw = count + 1, raw + len(request) + len(answer)
    for sink in sinks:
        sink.close()
    return count, raw


# A process counts the largest set of whoever started it as its own: a small one stands between.
BETWEEN = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def measured(*command):
    """CPU seconds and largest resident set in MiB of a command that must succeed."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", BETWEEN, REENACT, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    code, seconds, mib = map(float, done.stdout.split())
    assert code == 0, f"{command} ended with {code}"
    return seconds, mib


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def library(lines):
    """Raw MB per CPU second of each step inside one process."""
    done = subprocess.run(["cargo", "bench", "--quiet", "-p", "formats", "--bench", "sessions", "--", lines], check=True, stdout=subprocess.PIPE,
                          text=True, cwd=ROOT)
    return {step: float(speed) for step, speed in re.findall(r"^(\w+): ([\d.]+) MB/s", done.stdout, re.M)}


def sizes_and_speeds(kinds, seed, raw_bytes, rounds, folder):
    sizes, speeds = [], []
    for kind in kinds:
        paths = {name: folder / f"{kind}.{name}" for name in ("jsonl", "gor.gz", "har.gz")}
        count, raw = make(kind, seed, raw_bytes, [Jsonl(paths["jsonl"]), Gor(paths["gor.gz"]), Har(paths["har.gz"])])
        imports, cats = [], []
        for number in range(rounds):
            session = folder / f"{kind}-{number}"
            imports.append(raw / MB / measured("import", "--format", "jsonl", paths["jsonl"], "-o", session)[0])
            cats.append(raw / MB / measured("cat", session)[0])
        ours, gor, har = size_of(session), paths["gor.gz"].stat().st_size, paths["har.gz"].stat().st_size
        sizes.append([kind, f"{count:,}", mb(raw), mb(ours), mb(gor), mb(har), f"{ours / gor:.3f} (asked {ASKED[kind]})", f"{ours / har:.3f} (asked 0.4)"])
        steps = library(paths["jsonl"])
        speeds.append([kind, *(f"{speed:.0f}" for speed in (median(cats), median(imports), steps["write"], steps["read"], steps["print"], steps["parse"]))])
    table("traffic", "exchanges", "raw MB", "session MB", ".gor.gz MB", "HAR gzip -9 MB", "of .gor.gz", "of HAR", rows=sizes)
    table("raw MB a CPU second", "cat (asked 200)", "import jsonl (asked 100)", "write (asked 150)", "read", "print lines", "parse lines", rows=speeds)


def memory(kind, seed, sizes_mb, folder):
    rows = []
    for size in sizes_mb:
        lines, session = folder / f"{size}.jsonl", folder / f"{size}-session"
        count, raw = make(kind, seed, size * MB, [Jsonl(lines)])
        taken = [measured("import", "--format", "jsonl", lines, "-o", session)[1]]
        taken += [measured(command, session)[1] for command in ("cat", "inspect", "verify")]
        rows.append([kind, f"{count:,}", mb(raw), *(f"{mib:.0f}" for mib in taken)])
        lines.unlink()
    table("largest resident set, MiB", "exchanges", "raw MB", "import", "cat", "inspect", "verify", rows=rows)


def mb(count):
    return f"{count / MB:.1f}"


def table(*titles, rows):
    print("| " + " | ".join(titles) + " |")
    print("|" + " --- |" * len(titles))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kinds", default="api,pages,mixed")
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-mb", default="10,1000", help="empty for none")
    parser.add_argument("--memory-kind", default="api")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", help="folder for what is made: a few times --mb for each kind, and three times --memory-mb")
    parser.add_argument("--make", metavar="LINES", help="only write the lines of the first kind to this file")
    asked = parser.parse_args()
    if not REENACT.exists():
        sys.exit(f"{REENACT} is not there: cargo build --release")
    if asked.make:
        make(asked.kinds.split(",")[0], asked.seed, asked.mb * MB, [Jsonl(Path(asked.make))])
        return
    with tempfile.TemporaryDirectory(dir=asked.into) as folder:
        if asked.kinds:
            sizes_and_speeds(asked.kinds.split(","), asked.seed, asked.mb * MB, asked.rounds, Path(folder))
        if asked.memory_mb:
            memory(asked.memory_kind, asked.seed, [int(size) for size in asked.memory_mb.split(",")], Path(folder))


if __name__ == "__main__":
    main()
