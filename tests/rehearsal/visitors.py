"""Visitors of the library: each is a reader with a cookie, asks for one thing after the other, thinks in between, and now and
then comes back over a new connection.

    visitors.py HOST:PORT [--requests 500] [--seconds 3.2] [--seed 1]"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
import uuid
from urllib.parse import quote

VISITORS = 48
# Requests over one connection.
CONNECTION = 9
# Searches that have a quote in them, and what they are for.
RARE, RARE_COUNT = "l'étranger", 3
WORDS = ["fence", "brücken", "ferry", "salt", "night", "clock", "volume 7", "history of salt"]
# What visitors ask for, and how often in a hundred.
WISHES = {"loans": 30, "book": 18, "search": 12, "books": 10, "recommend": 8, "hold": 8, "lend": 6, "release": 4, "hours": 4}


def wish(what, reader, draw):
    book = draw.randrange(125)
    return {
        "loans": ("GET", f"/readers/{reader}/loans", None),
        "book": ("GET", f"/books/{book}", None),
        "search": ("GET", f"/search?q={quote(draw.choice(WORDS))}", None),
        "rare": ("GET", f"/search?q={quote(RARE)}", None),
        "books": ("GET", f"/books?page={draw.randrange(12)}", None),
        "recommend": ("GET", f"/readers/{reader}/recommendations", None),
        "hold": ("PUT", f"/readers/{reader}/holds/{book % 10}", {"pickup": "main"}),
        "lend": ("POST", "/loans", {"reader": reader, "book": book}),
        "release": ("DELETE", f"/readers/{reader}/holds/{book % 10}", None),
        "hours": ("GET", "/opening-hours", None),
    }[what]


def visit(address, reader, wishes, seconds, draw, failures):
    """One visitor, who asks at instants of chance, or later where the answer before takes longer; what cannot be asked is told
    to whoever started it."""
    cookie = f"visitor={uuid.UUID(int=draw.getrandbits(128))}"
    began = time.monotonic()
    instants = sorted(began + draw.uniform(0, seconds) for _ in wishes)
    connection = None
    try:
        for number, (what, instant) in enumerate(zip(wishes, instants)):
            time.sleep(max(0, instant - time.monotonic()))
            if connection is None or number % CONNECTION == 0:
                connection = http.client.HTTPConnection(address, timeout=20)
            method, path, sent = wish(what, reader, draw)
            headers = {"Cookie": cookie, "Accept": "application/json", "User-Agent": f"visitors/{reader % 3}"}
            if sent is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, None if sent is None else json.dumps(sent), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 500:
                raise RuntimeError(f"{method} {path}: {answer.status}")
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        failures.append(f"visitor {reader}: {error!r}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("address")
    arguments.add_argument("--requests", type=int, default=500)
    arguments.add_argument("--seconds", type=float, default=3.2)
    arguments.add_argument("--seed", type=int, default=1)
    asked = arguments.parse_args()
    draw = random.Random(asked.seed)
    # As many of each as their shares say, in an order of chance, so that no seed has too few of one.
    wishes = [what for what, share in WISHES.items() for _ in range(asked.requests * share // 100)]
    searches = [index for index, what in enumerate(wishes) if what == "search"]
    for index in searches[:RARE_COUNT]:
        wishes[index] = "rare"
    draw.shuffle(wishes)
    failures = []
    visitors = [
        threading.Thread(target=visit, args=(asked.address, reader, wishes[reader::VISITORS], asked.seconds, random.Random(draw.random()), failures))
        for reader in range(VISITORS)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    if failures:
        sys.exit("\n".join(failures))
    print(f"{len(wishes)} requests of {VISITORS} visitors, {wishes.count('rare')} of them rare")


main()
