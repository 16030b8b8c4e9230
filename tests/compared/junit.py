"""Reads the junit.xml of comparisons as the schema has it, and prints their tests as JSON: junit.py SCHEMA JUNIT.XML"""

import json
import sys

import xmlschema

schema = xmlschema.XMLSchema(sys.argv[1])
schema.validate(sys.argv[2])
suite = schema.to_dict(sys.argv[2])


def end(case):
    for name in ("failure", "error", "skipped"):
        if name in case:
            return {"ended": name, "said": case[name][0]["@message"] if isinstance(case[name], list) else case[name]["@message"]}
    return {"ended": "passed", "said": ""}


cases = [{"class": case["@classname"], "name": case["@name"], **end(case)} for case in suite["testcase"]]
print(json.dumps({"suite": {key: value for key, value in suite.items() if key[0] == "@"}, "cases": cases}))
