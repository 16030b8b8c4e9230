"""The OpenTelemetry semantic conventions as their package for Python has them, generated from the registry: prints, as JSON,
every attribute's name, with the members of its enumeration or null.

    conventions.py
"""

import enum
import importlib
import json
import pkgutil

import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv.attributes as stable

found = {}
for package in (incubating, stable):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(module.name)
        for constant, name in vars(module).items():
            if not (constant.isupper() and isinstance(name, str)):
                continue
            members = getattr(module, "".join(part.capitalize() for part in constant.split("_")) + "Values", None)
            is_enumeration = isinstance(members, type) and issubclass(members, enum.Enum)
            found[name] = [member.value for member in members] if is_enumeration else found.get(name)
print(json.dumps(found))
