#!/usr/bin/env python3
"""Whether multiplied traffic keeps its shape: in the plan, against worlds whose truth is known, and at an independent sink.

`bursty`: two bursty recordings at 1x and 3x. Does the sink (tests/bench/sink.c) get every request once a copy and in the order of
its client, and how far are its counts in 10 ms from the plan's, beside a bare loop (tests/bench/pace.c) with the same due instants?
`plans`, nothing sent: half an hour of five worlds at 1x (the recordings themselves: how sure the estimates are), 2x, 3x and 10x. The
plan's index of dispersion of counts, Var N / E N, over that of the world with so many times the clients: mean over recordings, its
standard error and, in brackets, the mean without the recording's first and last minute.
`sink`: a minute of the same worlds in real time: the index at the sink over the plan's (and the plan's over the truth, which for
one short recording is mostly chance). Sender on core 0, sink on core 1.

    python3 tests/bench/shape.py [PART[,PART…]] [ROUNDS] [RECORDINGS] [WORLD[,WORLD…]]

All PARTs by default, 3 ROUNDS (of `bursty`, 90 s each), 8 RECORDINGS (of each world in `plans`, 15 s each), all five WORLDs (in
`sink` 200 s each): half an hour.
"""

import json
import math
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from common import REENACT, ROOT, free_port, median, start, stop, wait_for_port
from worlds import NAMES, arrival_rate, expected_dispersion, inhabited, interrupted, visitors

ARGUMENTS = dict(enumerate(sys.argv[1:]))
PARTS = ARGUMENTS.get(0, "bursty,plans,sink").split(",")
ROUNDS = int(ARGUMENTS.get(1, 3))
RECORDINGS = int(ARGUMENTS.get(2, 8))
WORLDS = ARGUMENTS.get(3, ",".join(NAMES)).split(",")
FACTORS = [2, 3, 10]
TAUS = [0.01, 0.1, 1, 10, 60]
LOOP_CONNECTIONS = 200
EDGE = 60  # seconds at either end of a recording that are also left out


def session(folder, name, requests):
    """A session of them, made by the product's own import: /item/N is the Nth in time, each client has its own connection."""
    lines, made = Path(folder) / f"{name}.jsonl", Path(folder) / name
    with lines.open("w") as out:
        for i, (seconds, client) in enumerate(sorted(requests)):
            at, key = int(seconds * 1e9), f"named-{client:016x}"
            request = {"method": "GET", "target": f"/item/{i}", "version": "HTTP/1.1", "headers": [["Host", "recorded"]]}
            instants = {"request_start": at, "request_head": at, "request_end": at}
            exchange = {"type": "exchange", "client": key, "connection": client, "instants_ns": instants, "request": request}
            out.write(json.dumps(exchange) + "\n")
    subprocess.run([REENACT, "import", "--format", "jsonl", lines, "-o", made], check=True, stdout=subprocess.DEVNULL)
    lines.unlink()
    return made


# What is computed of instants in nanoseconds.

def counts(instants, tau, windows, since=0):
    """How many there are in each of so many windows of `tau` seconds."""
    width, since = round(tau * 1e9), round(since * 1e9)
    found = Counter((at - since) // width for at in instants)
    return [found[window] for window in range(windows)]


def dispersion(instants, tau, seconds, edge=0):
    """Var N / E N of the counts in the whole windows from `edge` to `seconds` - `edge`."""
    windows = int((seconds - 2 * edge) / tau + 1e-6)
    found = counts(instants, tau, windows, edge)
    mean = sum(found) / windows
    return sum((one - mean) ** 2 for one in found) / windows / mean


def aligned(due, at):
    """Arrivals on the plan's clock, by the request that came with the least delay (as if both were in the same order)."""
    offset = min(arrival - planned for planned, arrival in zip(due, at))
    return [arrival - offset for arrival in at]


def distance(due, at):
    """Σ |plan − sink| over windows of 10 ms, a request, and the 99th percentile of the delay in ms."""
    windows = max(due[-1], at[-1]) // 10_000_000 + 1
    apart = sum(abs(a - b) for a, b in zip(counts(due, 0.01, windows), counts(at, 0.01, windows)))
    late = sorted(arrival - planned for planned, arrival in zip(due, at))
    return apart / len(due), late[int(len(late) * 0.99)] / 1e6


# Senders and the sink.

def judged(folder, command):
    """Lines of the sink (instant, connection, target, trace id), in the order of arrival, of one run of a sender."""
    port, arrivals = free_port(), Path(folder) / "arrivals"
    judge = start(1, Path(folder) / "sink", port, arrivals, "heads")
    wait_for_port(port, judge)
    code = start(0, *command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    stop(judge)
    if code not in (0, 3, 4):
        sys.exit(f"{command(port)} ended with {code}")
    lines = [line.split() for line in arrivals.read_text().splitlines()]
    return sorted((int(at), int(connection), target, trace) for at, connection, target, trace in lines)


def replayed(folder, recording, factor):
    """What a replay planned (lines of its request log), what came, and its verdict."""
    run = tempfile.mkdtemp(dir=folder) + "/run"
    replay = [REENACT, "replay", recording, "--rate", f"{factor}x", "--out", run, "--target"]
    came = judged(folder, lambda port: [*replay, f"http://127.0.0.1:{port}"])
    log = subprocess.run(["zstd", "-dcq", f"{run}/requests.jsonl.zst"], check=True, stdout=subprocess.PIPE).stdout
    planned = sorted(map(json.loads, log.splitlines()), key=lambda line: line["due_ns"])
    return planned, came, json.loads(Path(run, "run.json").read_text())["verdict"]["outcome"]


def faults(planned, came, factor):
    """How many did not come once a copy, came out of their client's order, and came on another client's connection. A copy
    goes around the end of the recording: it may begin in the middle of its client's requests, once; the original may not."""
    times = Counter(target for _, _, target, _ in came)
    wrong_times = sum(abs(times[target] - factor) for target in {f"/item/{line['seq']}" for line in planned} | set(times))
    by_trace = {line["trace_id"]: line for line in planned}
    lives, owner, unplanned, strangers = defaultdict(list), {}, 0, 0
    for _, connection, target, trace in came:
        line = by_trace.pop(trace, None)
        if line is None or target != f"/item/{line['seq']}":
            unplanned += 1
            continue
        life = line["client"], line["copy"]
        lives[life].append(line["seq"])
        strangers += owner.setdefault(connection, life) != life
    unordered = 0
    for (_, copy), came_as in lives.items():
        steps_back = sum(one > other for one, other in zip(came_as, came_as[1:]))
        around = copy > 0 and came_as[-1] < came_as[0]
        unordered += steps_back - (steps_back > 0 and around)
    return max(wrong_times, unplanned + len(by_trace)), unordered, strangers


def bursty(folder):
    print("| recording | rate | requests | not once a copy | out of order | on another's connection "
          "| apart in 10 ms | bare loop | difference | late p99 ms | bare loop | verdicts |")
    print("| --- |" + " --- |" * 11)
    for name, made in {"on and off": interrupted(random.Random(1)), "visitors": visitors(random.Random(2))}.items():
        recording = session(folder, name.replace(" ", "-"), made)
        for factor in (1, 3):
            rows, verdicts = [], []
            for _ in range(ROUNDS):
                planned, came, verdict = replayed(folder, recording, factor)
                due, schedule = [line["due_ns"] for line in planned], Path(folder) / "due"
                schedule.write_text("".join(f"{at}\n" for at in due))
                loop = judged(folder, lambda port: [Path(folder) / "pace", port, schedule, LOOP_CONNECTIONS])
                assert len(loop) == len(due), "the bare loop lost requests"
                (far, late), (floor, loop_late) = (distance(due, aligned(due, [line[0] for line in lines])) for lines in (came, loop))
                rows.append([*faults(planned, came, factor), far, floor, far - floor, late, loop_late])
                verdicts.append(verdict)
            columns = list(zip(*rows))
            cells = [f"{sum(column)}" for column in columns[:3]]
            cells += [f"{median(column):.{digits}f}" for column, digits in zip(columns[3:], (4, 4, 4, 3, 3))]
            print(f"| {name} | {factor}x | {len(due):,} of {len(made):,} | {' | '.join(cells)} | {', '.join(verdicts)} |", flush=True)
    print(flush=True)


def planned_instants(recording, factor, seed):
    """Due instants of a plan, to the microsecond, read from the requests that it shows; and the plan's own shape check."""
    plan = [REENACT, "plan", recording, "--rate", f"{factor}x", "--seed", str(seed)]
    shape = json.loads(subprocess.run([*plan, "--json"], check=True, stdout=subprocess.PIPE).stdout)["shape"]["scales"]
    with subprocess.Popen([*plan, "--show", "100000000"], stdout=subprocess.PIPE) as shown:
        instants = [int(line.split(b" ", 3)[2].replace(b".", b"")) * 1000 for line in shown.stdout if line.startswith(b"# at ")]
    return instants, shape


def plans(folder, seconds=1800, rate=10):
    print(f"| world | rate | {' | '.join(f'{tau:g} s' for tau in TAUS)} | the plans' own verdicts | off their own figures |")
    print("| --- | --- |" + " --- |" * (len(TAUS) + 2))
    kinds = [(factor, tau, edge) for factor in (1, *FACTORS) for tau in TAUS for edge in (0, EDGE)]
    worst = Counter()
    for world in WORLDS:
        arrivals = arrival_rate(world, seconds, rate, 1)
        expected = {kind: expected_dispersion(arrivals, *kind) for kind in kinds}
        ratios, verdicts, off = defaultdict(list), defaultdict(Counter), Counter()
        for seed in range(1, RECORDINGS + 1):
            requests = inhabited(random.Random(f"{world}-{seed}"), arrivals)
            recording = session(folder, f"{world}-{seed}", requests)
            instants = {1: [int(at * 1e9) for at, _ in requests]}
            for factor in FACTORS:
                instants[factor], own = planned_instants(recording, factor, seed)
                assert len(instants[factor]) == factor * len(requests), (world, seed, factor, len(instants[factor]), len(requests))
                verdicts[factor].update(row["verdict"].replace("_", " ") for row in own)
                for row in own:
                    tau = row["tau_ns"] / 1e9
                    mine = dispersion(instants[factor], tau, tau * row["windows"])
                    off[factor] = max(off[factor], abs(row["plan"] / mine - 1))
            for kind in kinds:
                ratios[kind].append(dispersion(instants[kind[0]], kind[1], seconds, kind[2]) / expected[kind])
        for factor in (1, *FACTORS):
            cells = []
            for tau in TAUS:
                mean, inner = (statistics.mean(ratios[factor, tau, edge]) for edge in (0, EDGE))
                error = statistics.stdev(ratios[factor, tau, 0]) / math.sqrt(RECORDINGS) if RECORDINGS > 1 else math.nan
                worst[factor] = max(worst[factor], abs(mean - 1))
                cells.append(f"{mean:.2f} ± {error:.2f} ({inner:.2f})")
            said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts[factor].items())) or "–"
            print(f"| {world} | {factor}x | {' | '.join(cells)} | {said} | {off[factor]:.2%} |", flush=True)
    print("\nFarthest mean from the truth: " + ", ".join(f"{far:.0%} at {factor}x" for factor, far in worst.items()) + "\n", flush=True)


def at_sink(folder, seconds=60, rate=30, tempo=12):
    taus = [tau for tau in TAUS if tau <= seconds / 4]
    columns = " | ".join(f"{tau:g} s: sink/plan | plan/truth" for tau in taus)
    print(f"| world | rate | requests | not once a copy | out of order | {columns} | verdict |")
    print("| --- | --- |" + " --- |" * (2 * len(taus) + 4))
    for world in WORLDS:
        arrivals = arrival_rate(world, seconds, rate, tempo)
        requests = inhabited(random.Random(f"{world}-sink"), arrivals)
        recording = session(folder, f"{world}-sink", requests)
        for factor in FACTORS:
            planned, came, verdict = replayed(folder, recording, factor)
            due = [line["due_ns"] for line in planned]
            at = aligned(due, [line[0] for line in came])
            wrong, unordered, _ = faults(planned, came, factor)
            cells = []
            for tau in taus:
                plan = dispersion(due, tau, seconds)
                cells.append(f"{dispersion(at, tau, seconds) / plan:.3f} | {plan / expected_dispersion(arrivals, factor, tau):.2f}")
            print(f"| {world} | {factor}x | {len(due):,} | {wrong} | {unordered} | {' | '.join(cells)} | {verdict} |", flush=True)
    print(flush=True)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        for program in ("sink", "pace"):
            subprocess.run(["cc", "-O2", "-o", Path(folder) / program, ROOT / f"tests/bench/{program}.c"], check=True)
        for part in PARTS:
            {"bursty": bursty, "plans": plans, "sink": at_sink}[part](folder)


main()
