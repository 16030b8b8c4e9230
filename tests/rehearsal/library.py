"""What both versions of the small lending library have in common: its books and readers, and how long its database takes.

Answers have what no two answers of a real service have in common: ids, instants, scores, the order of what has none. The
time of an answer is drawn for each request: a median of its endpoint, times a load that wanders by 8 % within seconds and
hits everything alike, times 15 % of its own; one in a hundred takes four times as long."""

import contextlib
import datetime
import math
import random
import threading
import time
import uuid

MEDIAN_MS = {
    "books": 108,
    "book": 100,
    "search": 140,
    "loans": 132,
    "lend": 150,
    "hold": 120,
    "release": 114,
    "recommend": 158,
    "hours": 100,
}
OWN, TAIL_SHARE, TAIL_FACTOR = 0.15, 0.01, 4
LOAD, LOAD_S, LOAD_STEP_S = 0.08, 2.0, 0.1
BOOKS, READERS, PAGE = 120, 60, 10
SUBJECTS = ["crime", "gardening", "history", "mathematics", "poetry", "travel"]
TITLES = ["The Long Fence", "L'Étranger du soir", "Zwölf Brücken", "A Field of Salt", "Night Ferry", "The Clockmaker"]


class Load:
    """How busy the database is: an autoregressive walk of the logarithm."""

    def __init__(self):
        self.lock, self.at, self.log = threading.Lock(), time.monotonic(), random.gauss(0, LOAD)

    def factor(self):
        keep = math.exp(-LOAD_STEP_S / LOAD_S)
        with self.lock:
            now = time.monotonic()
            if now - self.at > 20 * LOAD_S:
                self.at = now - 20 * LOAD_S
            while self.at < now:
                self.at += LOAD_STEP_S
                self.log = keep * self.log + LOAD * math.sqrt(1 - keep * keep) * random.gauss(0, 1)
            return math.exp(self.log)


class Library:
    def __init__(self, slower=None):
        """`slower` has factors by which endpoints take longer than they did."""
        self.load, self.slower = Load(), slower or {}
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.loans = {reader: [self.loan(reader, reader * 3 % BOOKS)] for reader in range(READERS)}
            self.holds = {reader: set() for reader in range(READERS)}

    @contextlib.contextmanager
    def takes(self, endpoint):
        """What is done inside takes as long as the database does, to the instant."""
        started = time.monotonic()
        tail = TAIL_FACTOR if random.random() < TAIL_SHARE else 1
        drawn = math.exp(random.gauss(0, OWN)) * tail * self.load.factor()
        yield
        ends = started + MEDIAN_MS[endpoint] / 1000 * self.slower.get(endpoint, 1) * drawn
        time.sleep(max(0, ends - time.monotonic()))

    def loan(self, reader, book):
        now = datetime.datetime.now(datetime.timezone.utc)
        due = now + datetime.timedelta(days=28)
        return {"id": str(uuid.uuid4()), "reader": reader, "book": book, "taken_at": now.isoformat(), "due_at": due.isoformat()}

    def book(self, number):
        subjects = SUBJECTS[number % 3 : number % 3 + 3]
        random.shuffle(subjects)
        title = f"{TITLES[number % len(TITLES)]}, volume {number}"
        return {"id": number, "title": title, "copies": 1 + number % 4, "subjects": subjects, "fine_per_day": 0.25 * (number % 3)}

    def page(self, number):
        books = [{"id": book["id"], "title": book["title"]} for book in map(self.book, range(BOOKS))]
        return {"page": number, "books": books[number * PAGE : (number + 1) * PAGE], **self.of_this_answer()}

    def search(self, words):
        hits = [book for book in range(BOOKS) if (book * 7 + len(words)) % 11 == 0]
        random.shuffle(hits)
        return {"query": words, "hits": hits, "took_ms": round(random.uniform(3, 9), 3), **self.of_this_answer()}

    def loans_of(self, reader):
        with self.lock:
            return {"reader": reader, "loans": list(self.loans[reader]), "count": len(self.loans[reader]), **self.of_this_answer()}

    def lend(self, reader, book):
        loan = self.loan(reader, book)
        with self.lock:
            self.loans[reader].append(loan)
        return loan

    def hold(self, reader, book):
        with self.lock:
            self.holds[reader].add(book)
            return {"reader": reader, "holds": sorted(self.holds[reader]), **self.of_this_answer()}

    def release(self, reader, book):
        with self.lock:
            self.holds[reader].discard(book)

    def recommend(self, reader):
        chosen = [{"book": (reader * 5 + step * 17) % BOOKS, "score": round(0.9 / step + random.uniform(-0.005, 0.005), 4)} for step in range(1, 6)]
        return {"reader": reader, "recommendations": chosen, **self.of_this_answer()}

    def of_this_answer(self):
        return {"request": uuid.uuid4().hex, "as_of": datetime.datetime.now(datetime.timezone.utc).isoformat()}


HOURS = """<!doctype html>
<html><head><title>Opening hours</title></head>
<body><h1>Opening hours</h1><table><tr><td>Monday to Friday</td><td>9 to 18</td></tr><tr><td>Saturday</td><td>10 to 14</td></tr></table></body></html>
"""
