"""Checks a collector's configuration, and asks its conditions about spans.

    check.py CONFIG                     structure only
    check.py CONFIG REPLAYS OTHERS      also: JSON lines of spans that must be caught, and that must not be

Prints what is wrong, a line each; nothing when all is right. Of OTTL it reads what these configurations use: `path == "text"`,
`path != nil`, `IsMatch(path, "pattern")`.
"""

import json
import re
import sys

import yaml

# Settings by component, as the components' READMEs document them.
KNOWN = {
    "receivers": {"otlp": {"protocols"}},
    "processors": {
        "filter": {"error_mode", "traces"},
        "tail_sampling": {"decision_wait", "num_traces", "policies"},
        "transform": {"error_mode", "trace_statements"},
        "resource": {"attributes"},
    },
    "connectors": {"routing": {"error_mode", "default_pipelines", "table"}},
    "exporters": {
        "otlp": {"endpoint", "tls", "retry_on_failure"},
        "otlphttp": {"endpoint", "traces_endpoint", "auth"},
        "azuremonitor": {"connection_string"},
    },
    "extensions": {"sigv4auth": {"region", "service"}, "googleclientauth": {"project"}},
}
POLICIES = {"status_code": "status_codes", "probabilistic": "sampling_percentage", "latency": "threshold_ms",
            "ottl_condition": "span"}
PATH = r'(?P<path>(?:resource\.)?(?:attributes|trace_state)\["(?P<key>[^"]+)"\])'


def value(path, key, span):
    if path.startswith("trace_state"):
        members = dict(member.split("=", 1) for member in span.get("trace_state", "").split(",") if "=" in member)
        # As the collector has it: a member that is not there is an empty text, not nil.
        return members.get(key, "")
    return (span["resource"] if path.startswith("resource.") else span["attributes"]).get(key)


def holds(condition, span):
    if " and " in condition:
        return all(holds(part, span) for part in condition.split(" and "))
    if found := re.fullmatch(PATH + r' == "(?P<text>[^"]*)"', condition):
        return value(found["path"], found["key"], span) == found["text"]
    if found := re.fullmatch(PATH + r" (?P<is>[!=]=) nil", condition):
        return (value(found["path"], found["key"], span) is None) == (found["is"] == "==")
    if found := re.fullmatch(r"IsMatch\(" + PATH + r', "(?P<pattern>[^"]*)"\)', condition):
        text = value(found["path"], found["key"], span)
        return isinstance(text, str) and re.search(found["pattern"], text) is not None
    raise ValueError(f"a condition beyond this reader: {condition}")


def structure(config):
    defined = {kind: set(config.get(kind) or {}) for kind in KNOWN}
    for kind, components in KNOWN.items():
        for name, settings in (config.get(kind) or {}).items():
            known = components.get(name.split("/")[0])
            if known is None:
                yield f"{kind} has {name}, which is not known here"
            elif extra := set(settings or {}) - known:
                yield f"{name} has settings that are not known: {extra}"
    for extra in set(config) - set(KNOWN) - {"service"}:
        yield f"there is no section {extra}"
    pipelines = config["service"]["pipelines"]
    used = {kind: set() for kind in KNOWN} | {"extensions": set(config["service"].get("extensions", []))}
    ends = {"receivers": set(), "exporters": set()}
    for name, pipeline in pipelines.items():
        for kind in ("receivers", "processors", "exporters"):
            for one in pipeline.get(kind, []):
                used[kind].add(one)
                if kind in ends and one in defined["connectors"]:
                    ends[kind].add(one)
                elif one not in defined[kind]:
                    yield f"pipeline {name} uses {one}, which {kind} does not define"
    for kind in defined:
        there = ends["receivers"] & ends["exporters"] if kind == "connectors" else used[kind]
        for one in defined[kind] - there:
            yield f"{one} is defined and in no pipeline (a connector: at both of its ends)"
    for name, routing in (config.get("connectors") or {}).items():
        goals = set(routing.get("default_pipelines", [])).union(*(row["pipelines"] for row in routing["table"]))
        receiving = {name_of for name_of, pipeline in pipelines.items() if name in pipeline["receivers"]}
        if goals != receiving:
            yield f"{name} routes to {goals}, and {receiving} take from it"
    for name, exporter in (config.get("exporters") or {}).items():
        who = exporter.get("auth", {}).get("authenticator")
        if who and who not in used["extensions"]:
            yield f"{name} wants {who}, which does not run"
    for name, sampling in (config.get("processors") or {}).items():
        for policy in sampling.get("policies", []):
            if POLICIES.get(policy["type"]) not in policy[policy["type"]]:
                yield f"{name}: policy {policy['name']} is not of its type"


def conditions(config):
    """What decides that a span is a replay's."""
    for routing in (config.get("connectors") or {}).values():
        yield from (row["condition"] for row in routing["table"])
    for processor in (config.get("processors") or {}).values():
        yield from processor.get("traces", {}).get("span", [])
        for statements in processor.get("trace_statements", []):
            yield from statements["conditions"]


def others(config):
    """Conditions that choose among replays."""
    for processor in (config.get("processors") or {}).values():
        for policy in processor.get("policies", []):
            yield from policy.get("ottl_condition", {}).get("span", [])


def semantics(config, replays, production):
    marks = list(conditions(config))
    for condition in marks + list(others(config)):
        if not any(holds(condition, span) for span in replays):
            yield f"no span of a replay has {condition}"
        if caught := [span for span in production if holds(condition, span)]:
            yield f"{condition} catches what is no replay's: {caught[0]}"
    is_whole = "transform/replays" not in (config.get("processors") or {})
    # The trace view has no need of what the replayer itself says, and of traces that no replay began.
    is_view = "otlp/view" in config["exporters"]
    of_view = lambda span: "reenact.run_id" not in span["resource"] and span["trace_state"]
    missed = [span for span in replays if not any(holds(condition, span) for condition in marks) and (of_view(span) or not is_view)]
    own = [span for span in replays if is_view and "reenact.run_id" in span["resource"] and any(holds(condition, span) for condition in marks)]
    if own:
        yield f"{len(own)} of the replayer's own spans come back to it: {own[0]}"
    if marks and is_whole and missed:
        yield f"{len(missed)} of {len(replays)} spans of replays are taken for production's: {missed[0]}"


with open(sys.argv[1], encoding="utf-8") as file:
    config = yaml.safe_load(file)
wrong = list(structure(config))
if len(sys.argv) > 2:
    spans = [[json.loads(line) for line in open(name, encoding="utf-8")] for name in sys.argv[2:]]
    wrong += semantics(config, *spans)
print("\n".join(wrong), end="")
