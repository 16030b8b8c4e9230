"""Recordings whose truth is known: bursts, visitors, and worlds of clients whose expected dispersion has a closed form.

A recording is a list of (instant in seconds, client). In a world, clients arrive as a Poisson process at a given rate; each
sends a geometric number of requests with exponential pauses.
"""

import math
import random

NAMES = ["flat", "bursts", "wave", "flash", "mixed"]
CELL = 0.01  # of a world's rate, in seconds
BEFORE = 60  # seconds that a world has been running when its recording begins
GOES_ON, THINK = 0.8, 1.0  # a client's chance of another request, and its mean pause before that in seconds


def interrupted(rng, seconds=10, clients=200):
    """Nothing for 300 ms on average, then 4,000/s for 100 ms, all clients at once."""
    requests, at = [], 0.0
    while at < seconds:
        until = at + rng.expovariate(10)
        while (at := at + rng.expovariate(4000)) < min(until, seconds):
            requests.append((at, rng.randint(1, clients)))
        at = until + rng.expovariate(1 / 0.3)
    return requests


def visitors(rng, seconds=10, before=30):
    """Clients arrive as a Poisson process and think lognormally, most ten times or so; one in fifty stays twenty times as long."""
    requests, at, client = [], -float(before), 0
    while (at := at + rng.expovariate(72)) < seconds:
        client, now = client + 1, at
        mean = 200 if rng.random() < 0.02 else 10
        for _ in range(1 + int(rng.expovariate(1) / -math.log1p(-1 / mean))):
            if 0 <= now < seconds:
                requests.append((now, client))
            now += rng.lognormvariate(-1.5, 1)
    return requests


def arrival_rate(world, seconds, rate, tempo):
    """Clients a second in each cell of a world and of the time before it; a higher tempo makes what happens shorter and more frequent."""
    cells = range(-round(BEFORE / CELL), round(seconds / CELL))
    if world == "mixed":
        return [(a + b) / 2 for a, b in zip(*(arrival_rate(one, seconds, rate, tempo) for one in ("bursts", "flat")))]
    if world == "wave":
        return [rate * (1 + 0.8 * math.sin(2 * math.pi * cell * CELL * tempo / 300)) for cell in cells]
    if world == "flash":
        return [rate * (8 if seconds / 2 <= cell * CELL < seconds / 2 + 30 / tempo else 0.8) for cell in cells]
    found = [rate * (0.6 if world == "bursts" else 1)] * len(cells)
    if world == "bursts":  # at the same instants in every recording
        rng, at = random.Random(99), 0.0
        while (at := at + rng.expovariate(tempo / 40)) < seconds:
            for cell in range(int(at / CELL), min(int((at + 2 / tempo) / CELL), cells.stop)):
                found[cell - cells.start] = 9 * rate
    return found


def inhabited(rng, arrivals):
    requests, at, client, peak, seconds = [], 0.0, 0, max(arrivals), len(arrivals) * CELL - BEFORE
    while (at := at + rng.expovariate(peak)) < seconds + BEFORE:
        if rng.random() * peak < arrivals[int(at / CELL)]:
            client, now = client + 1, at - BEFORE
            while now < seconds:
                if now >= 0:
                    requests.append((now, client))
                if rng.random() >= GOES_ON:
                    break
                now += rng.expovariate(1 / THINK)
    return requests


def expected_dispersion(arrivals, factor, tau, edge=0):
    """Var N / E N to be expected with `factor` times the clients, N being the number of requests in a window of `tau` seconds,
    `edge` seconds at either end left out.

    A request is followed at distance x by others of its client with density h(x) = g/θ·exp(-(1 - g)·x/θ), with g the chance
    that it goes on and θ the mean pause. So with a(t) the clients that arrive, requests come at λ(t) = k·(a(t) + ∫ a(s) h(t - s) ds),
    and in a window of mean μ, Var N = μ + 2·∫ λ(u) H(end - u) du, H being the integral of h. Over m windows with a total count n,
    Σ(N - n/m)²/m is then expected to be mean(Var N + μ²) - (Var n + (E n)²)/m².
    """
    decay, more = (1 - GOES_ON) / THINK, GOES_ON / (1 - GOES_ON)
    fade = math.exp(-decay * CELL)
    average = (1 - fade) / (decay * CELL)  # of exp(-decay·x) over a cell
    rates, inside = [], 0.0
    for arrival in arrivals:
        rates.append(factor * (arrival + inside * average + more * arrival * (1 - average)))
        inside = inside * fade + more * arrival * (1 - fade)
    rates = rates[round((BEFORE + edge) / CELL):len(rates) - round(edge / CELL)]

    def moments(rates):
        """Mean and variance of the count in a window of so many cells."""
        mean = sum(rates) * CELL
        old = 0.0
        for one in rates:
            old = old * fade + one * CELL * average
        return mean, mean + 2 * more * (mean - old)

    size = round(tau / CELL)
    windows = len(rates) // size
    each = [moments(rates[window * size:(window + 1) * size]) for window in range(windows)]
    mean, variance = moments(rates[:windows * size])
    squares = sum(one + mu * mu for mu, one in each) / windows - (variance + mean * mean) / windows**2
    return squares / (mean / windows)
