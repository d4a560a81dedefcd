"""The part of values.schema.json that is about `config`, made of sagate.example.toml: every setting with its type, but those that the chart
derives from other values."""

import json
import re
import tomllib

from chart import CHART, ROOT, Wrong

# The chart's own: addresses, paths, and what follows from tls.mode; and the sections of commands that are no server.
DERIVED = {
    "models.dir", "server.listen", "server.admin", "server.http", "server.insecure", "tls.cert", "tls.key", "tls.client_ca",
    "tls.client_required", "tls.admin", "auth.tokens", "auth.jwks_ca", "audit.file",
}
OTHERS = {"client", "output"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
SHARES = {"type": "array", "minItems": 2, "maxItems": 2, "items": SHARE}
ROLES = {"type": "array", "items": {"enum": ["infer", "interpret", "review", "admin", "urgent"]}}
# Where a default's type says too little.
CLOSER = {
    "models.control": {"enum": ["auto", "none", "poll", "explicit"]},
    "device.kind": {"enum": ["auto", "cpu", "cuda"]},
    "device.precision": {"enum": ["float32", "half"]},
    "gate.by": {"enum": ["mu", "score"]},
    "gate.coverage": {"anyOf": [SHARE, {"const": "calibrated"}]},
    "gate.allowed_coverage": SHARES,
    "gate.allowed_threshold": SHARES,
    "server.forwarded_header": {"enum": ["x-forwarded-for", "forwarded"]},
    "auth.anonymous": ROLES,
    "log.level": {"enum": ["off", "error", "warn", "info", "debug", "trace"]},
    "access_log.format": {"enum": ["json", "logfmt"]},
    "log.format": {"enum": ["auto", "pretty", "json"]},
    "serving.versions": {"anyOf": [{"enum": ["all", "latest"]}, {"type": "array", "items": {"type": "integer", "minimum": 1}}]},
    "serving.canary_share": SHARE,
}


def kind_of(name, default):
    if name in CLOSER:
        return CLOSER[name]
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(default, float):
        return {"type": "number", "minimum": 0}
    if isinstance(default, str):
        return {"type": "string"}
    if isinstance(default, list):
        item = {"type": "string"} if name in ("server.cors_origins", "server.trusted_proxies", "auth.certificates") else {"type": "integer", "minimum": 1}
        return {"type": "array", "items": item}
    raise Wrong(f"sagate.example.toml: {name} has a default of a kind that helm/check/config_schema.py does not know")


def closed(properties):
    return {"type": "object", "additionalProperties": False, "properties": properties}


def example():
    return (ROOT / "sagate.example.toml").read_text()


def settings():
    """Every setting of the example with its default, by section; `serving` holds those of one model."""
    text = example()
    found = tomllib.loads(text)
    # [serving.NAME] is there as a comment only.
    lines = iter(text.splitlines())
    of_model = {}
    for line in lines:
        if re.fullmatch(r"# \[serving\.[a-z0-9-]+\]", line):
            for line in lines:
                if not line.startswith("#"):
                    break
                if re.match(r"# [a-z_]+ = ", line):
                    of_model |= tomllib.loads(line.removeprefix("# "))
    if not of_model:
        raise Wrong("sagate.example.toml: no commented section [serving.NAME] was found")
    return found | {"serving": of_model}


def made():
    sections = {}
    for section, keys in settings().items():
        if section in OTHERS:
            continue
        kinds = {key: kind_of(f"{section}.{key}", default) for key, default in keys.items() if f"{section}.{key}" not in DERIVED}
        sections[section] = {"type": "object", "additionalProperties": closed(kinds)} if section == "serving" else closed(kinds)
    for name in sorted(DERIVED | CLOSER.keys()):
        section, key = name.split(".")
        if key not in settings().get(section, {}):
            raise Wrong(f"helm/check/config_schema.py names {name}, which sagate.example.toml does not have")
    return closed(sections)


def schema_text():
    """values.schema.json as it should be."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["config"] = made()
    return json.dumps(schema, indent=2) + "\n"
