"""Reads what a run left for other programs with their own parsers, and prints it as JSON."""

import csv
import json
import sys
from pathlib import Path

import xmlschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families

run = Path(sys.argv[1])
schema = xmlschema.XMLSchema(Path(__file__).parent / "junit.xsd")
schema.validate(run / "junit.xml")
suite = schema.to_dict(run / "junit.xml")
ends = {"failure", "error", "skipped"}
cases = {case["@name"]: next((end for end in ends if end in case), "passed") for case in suite["testcase"]}

metrics = {}
for family in text_string_to_metric_families((run / "metrics.txt").read_text()):
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
        metrics[f"{sample.name}{{{labels}}}"] = str(sample.value)


def table(name):
    with open(run / name, newline="") as file:
        return list(csv.DictReader(file, strict=True))


print(json.dumps({"junit": cases, "suite": {k: v for k, v in suite.items() if k[0] == "@"}, "metrics": metrics,
                  "endpoints": table("endpoints.csv"), "timeline": table("timeline.csv")}))
