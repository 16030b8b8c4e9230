#!/usr/bin/env python3
"""How many requests a second one core sends as fast as the target answers, beside oha.

`reenact replay --rate max` of a recording with 64 connections, with contexts on all requests, every line of the request log and
spans exported: of 1 % and of all, without answers, and of 1 % with answers' digests. `oha -n N -c 64` in turn. The sender with all its
threads on core 0, the sink (tests/bench/sink.c) and the span receiver on core 1. Medians, all rounds, and what was lost of spans and
answers are printed as a Markdown table.

    python3 tests/bench/maximum.py [REQUESTS] [ROUNDS]
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import REENACT, ROOT, TARGET, constant, free_port, median, start, stop, wait_for_port

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
CONNECTIONS = 64


def main():
    oha = shutil.which("oha") or TARGET / "bench-tools/bin/oha"
    with tempfile.TemporaryDirectory() as folder:
        sink = Path(folder) / "sink"
        subprocess.run(["cc", "-O2", "-o", sink, ROOT / "tests/bench/sink.c"], check=True)
        collector = free_port()
        receiver = start(1, TARGET / "test-venv/bin/python", ROOT / "tests/bench/otlp_sink.py", collector)
        wait_for_port(collector, receiver)
        recording = constant(folder, REQUESTS, 50_000, CONNECTIONS)
        number = iter(range(1_000_000))

        def replay(sample, answers):
            def run(to):
                out = Path(folder) / f"run{next(number)}"
                done = subprocess.run(["taskset", "-c", "0", REENACT, "replay", recording, "--rate", "max", "--target", to, "--answers", answers,
                                "--trace-sample", sample, "--otlp-endpoint", f"http://127.0.0.1:{collector}", "--out", out],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                # 3: answers were lost, which the table says.
                assert done.returncode in (0, 3), done
                result = json.loads((out / "run.json").read_text())
                shutil.rmtree(out)
                assert result["completed"] == REQUESTS, result["completed"]
                dropped = sum(result["spans"]["dropped"].values())
                lost = result["answers"]["lost"] if result["answers"] else 0
                return result["rate"]["achieved"], dropped / (dropped + result["spans"]["exported"]), lost / REQUESTS
            return run

        def with_oha(to):
            done = subprocess.run(["taskset", "-c", "0", oha, "--no-tui", "-n", str(REQUESTS), "-c", str(CONNECTIONS), f"{to}/item"],
                                  check=True, stdout=subprocess.PIPE, text=True)
            return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]), None, None

        senders = {
            "reenact replay, spans on 1 %": replay("0.01", "none"),
            "reenact replay, spans on all": replay("1", "none"),
            "reenact replay, spans on 1 %, answers' digests": replay("0.01", "digest"),
            "oha": with_oha,
        }
        rows = {name: [] for name in senders}
        for _ in range(ROUNDS):
            for name, send in senders.items():
                port = free_port()
                judge = start(1, sink, port, Path(folder) / "arrivals")
                wait_for_port(port, judge)
                rows[name].append(send(f"http://127.0.0.1:{port}"))
                stop(judge)
        stop(receiver)
    base = median([found[0] for found in rows["oha"]])
    print("| sender | requests/s, median | of oha's | all rounds | spans dropped | answers lost |\n| --- | --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        rates = [one[0] for one in found]
        shares = " | ".join("–" if found[0][of] is None else f"{median([one[of] for one in found]):.0%}" for of in (1, 2))
        print(f"| {name} | {median(rates):,.0f} | {median(rates) / base:.2f} | {' · '.join(f'{rate:,.0f}' for rate in rates)} | {shares} |")


main()
