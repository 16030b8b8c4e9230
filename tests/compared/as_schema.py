"""Holds outputs of compare and ab against docs/compare.schema.json: as_schema.py SCHEMA OUTPUT…

Each must be as the schema says; and with a key more in any of its objects, or one less in any of ours, it must not be."""

import copy
import json
import sys

import jsonschema

schema, *outputs = sys.argv[1:]
schema = json.load(open(schema))
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)
# Keys that need not be there, and objects whose keys are names.
OPTIONAL = {"experiment"}
MAPS = {"incomparable", "shared"}


def objects(value, path=()):
    """One of each kind of object: elements of arrays are alike."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from objects(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from objects(value[0], (*path, 0))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def best(output):
    """Of the two forms, the one that the output is meant to be."""
    form = "sides" if "before" in output else "over_time"
    return jsonschema.Draft202012Validator({**schema, "oneOf": [{"$ref": f"#/$defs/{form}"}]})


changed = 0
for name in outputs:
    output = json.load(open(name))
    for error in best(output).iter_errors(output):
        sys.exit(f"{name}: {error.json_path}: {error.message[:500]} ({[one.message[:300] for one in error.context]})")
    for path in objects(output):
        more = copy.deepcopy(output)
        at(more, path)["unexpected"] = {}
        assert not validator.is_valid(more), f"{name}: a key more is taken at {path}"
        for key in at(output, path):
            if key in OPTIONAL or (path and path[-1] in MAPS):
                continue
            less = copy.deepcopy(output)
            del at(less, path)[key]
            assert not validator.is_valid(less), f"{name}: {path} needs no {key}"
            changed += 1
print(json.dumps({"outputs": len(outputs), "changed": changed}))
