"""Scrapes a run until it ends, in both formats, with Prometheus' own parsers: scrape.py URL PLANNED

Prints the last values as JSON. Every scrape must parse, and no counter may go back."""

import json
import sys
import time
import urllib.request

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

url, planned = sys.argv[1], int(sys.argv[2])
FORMATS = {
    "application/openmetrics-text; version=1.0.0": openmetrics.text_string_to_metric_families,
    "text/plain; version=0.0.4": prometheus.text_string_to_metric_families,
}
seen, scrapes, before = {}, 0, {}
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    for accept, parse in FORMATS.items():
        request = urllib.request.Request(url, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                kind, text = answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            assert error.code == 503, error
            continue
        except OSError:
            # The run is over.
            print(json.dumps({"scrapes": scrapes, "values": seen}))
            sys.exit(0)
        assert kind.startswith(accept), (kind, accept)
        values = {}
        for family in parse(text):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                values[f"{sample.name}{{{labels}}}"] = sample.value
        counters = [name for name in values if "_total{" in name or "_bucket{" in name or "_count{" in name]
        for name in counters:
            assert values[name] >= before.get(name, 0), name
        before, seen, scrapes = values, values, scrapes + 1
        assert values["reenact_replay_requests_planned{}"] == planned, values
    time.sleep(0.2)
sys.exit("the run did not end")
