"""Holds a stream of JSON against docs/live.schema.json and against run.json: stream.py SCHEMA STREAM RUN.JSON"""

import json
import sys

import jsonschema

schema, stream, result = (open(path).read() for path in sys.argv[1:4])
lines = [json.loads(line) for line in stream.splitlines()]
result = json.loads(result)
validator = jsonschema.Draft202012Validator(json.loads(schema))
validator.check_schema(json.loads(schema))
for number, line in enumerate(lines, 1):
    for error in validator.iter_errors(line):
        sys.exit(f"line {number}: {error.json_path}: {error.message}\n{line}")

assert [line["type"] for line in lines] == ["begin"] + ["second"] * (len(lines) - 2) + ["end"], lines
begin, end, seconds = lines[0], lines[-1], lines[1:-1]
assert begin["run_id"] == end["run_id"] == result["run_id"]
assert begin["planned"] == end["planned"] == result["planned"]
assert [line["number"] for line in seconds] == list(range(1, len(seconds) + 1)), "a number is missing"
assert all(line["lost"] == 0 for line in seconds + [end])

# Sums only grow, and the last ones are those of the result.
for before, after in zip(seconds, seconds[1:]):
    for key in ("settled", "dispatched", "sent", "completed"):
        assert before["totals"][key] <= after["totals"][key], (key, before, after)
last = seconds[-1]["totals"]
for key in ("settled", "dispatched", "sent", "completed", "errors", "shed", "status", "bytes"):
    assert last[key] == result[key], (key, last[key], result[key])
for key in ("settled", "dispatched", "sent", "completed", "errors", "shed"):
    assert end[key] == result[key], (key, end[key], result[key])
assert seconds[-1]["state"] == "over" and seconds[-1]["due"] == result["planned"]
assert seconds[-1]["response_us"] == result["response_us"]

# Each whole second is the timeline's row.
seen = 0
for line in seconds[:-1]:
    if line["elapsed_s"] < 1:
        continue
    row = next(row for row in result["timeline"] if row["t_s"] == line["second"]["t_s"])
    assert (line["second"]["planned"], line["second"]["completed"]) == (row["planned"], row["completed"]), (line, row)
    assert line["second"]["response_us"] == row["response_us"], (line, row)
    seen += 1
of_endpoints = {row["endpoint"]: row["completed"] for row in result["endpoints"]}
for row in seconds[-1]["endpoints"]:
    assert of_endpoints[row["endpoint"]] == row["completed"], row
print(f"{len(seconds)} seconds, {seen} of them whole, {last['sent']} requests")
