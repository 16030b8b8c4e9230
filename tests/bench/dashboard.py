#!/usr/bin/env python3
"""What the dashboard takes of a core.

The same run once on a terminal and once with its output in a file, in turn: the replayer with all its threads on core 0, the
target (tests/bench/sink.c) on core 1. Counted is the processor time of the threads that draw and read keys, in which a run
without a terminal prints its lines, by their schedstat over the middle of each run; beside it that of the whole process.

    python3 tests/bench/dashboard.py [RATE] [SECONDS] [ROUNDS]
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from common import REENACT, ROOT, constant, free_port, median, start, stop, wait_for_port

RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
CONNECTIONS = 50
ROWS, COLUMNS = 45, 140
SETTLES_S = 3


def on_terminal(command):
    """A process on a terminal of its own, and how many bytes it drew."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, start_new_session=True, env=os.environ | {"TERM": "xterm-256color"})
    os.close(end)
    drawn = [0]

    def read():
        try:
            while data := os.read(terminal, 65536):
                drawn[0] += len(data)
        except OSError:
            pass  # nobody holds the other end any more
        os.close(terminal)

    threading.Thread(target=read, daemon=True).start()
    return process, drawn


def seconds_of(pid):
    """CPU time of the threads that draw, and of all."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    spent = {task: int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}
    draws = [cpu for task, cpu in spent.items() if task.name == str(pid) or (task / "comm").read_text().strip() == "keys"]
    return sum(draws), sum(spent.values())


def main():
    rows = {"a terminal": [], "a file": []}
    with tempfile.TemporaryDirectory() as folder:
        sink = Path(folder) / "sink"
        subprocess.run(["cc", "-O2", "-o", sink, ROOT / "tests/bench/sink.c"], check=True)
        recording = constant(folder, RATE * SECONDS, RATE, CONNECTIONS)
        for round in range(ROUNDS):
            for number, to in enumerate(rows):
                port, name = free_port(), f"{folder}/{round}-{number}"
                target = start(1, sink, port, f"{name}-arrivals")
                wait_for_port(port, target)
                command = ["taskset", "-c", "0", str(REENACT), "replay", str(recording), "--target", f"http://127.0.0.1:{port}", "--out", f"{name}-run"]
                if to == "a file":
                    process, drawn = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), [0]
                else:
                    process, drawn = on_terminal(command)
                time.sleep(SETTLES_S)
                began, (draws, whole), before = time.monotonic(), seconds_of(process.pid), drawn[0]
                time.sleep(SECONDS - 2 * SETTLES_S)
                elapsed, (drew, spent) = time.monotonic() - began, seconds_of(process.pid)
                rows[to].append(((drew - draws) / elapsed, (spent - whole) / elapsed, (drawn[0] - before) / elapsed))
                if process.wait() not in (0, 4):
                    sys.exit(f"{command} ended with {process.returncode}")
                stop(target)
    print(f"| a run of {RATE:,}/s on | of a core | the whole process | bytes drawn a second |\n| --- | --- | --- | --- |")
    for to, found in rows.items():
        draws, whole, drawn = (median([row[at] for row in found]) for at in range(3))
        print(f"| {to} | {draws:.2%} | {whole:.1%} | {drawn:,.0f} |")


main()
