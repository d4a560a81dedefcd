"""Holds the files of deploy/, the Dockerfile and docs/operate/machine.md against what they speak of. Run by .ci/deploy-check.

Names of checks may follow; all are run otherwise. Each prints one line, or what is wrong.
"""

import ast
import pathlib
import re
import site
import sys
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = pathlib.Path(site.getsitepackages()[0])
PAGE = "docs/operate/machine.md"


class Wrong(Exception):
    """What a check has found."""


def require(holds: object, fault: str) -> None:
    if not holds:
        raise Wrong(fault)


# The Dockerfile copies what is there, and .dockerignore lets through that and nothing else.


def copied() -> list[str]:
    """What the Dockerfile takes from the folder it is built in."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not any(word.startswith("--from") for word in words):
            found += [word for word in words[1:-1] if not word.startswith("--")]
    return [path.rstrip("/") for path in found]


def dockerfile() -> str:
    sources = copied()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    require(rules[0] == "*", ".dockerignore should begin with *, which leaves everything out")
    let_in = [rule.removeprefix("!/") for rule in rules if rule.startswith("!/")]
    for source in sources:
        require((ROOT / source).exists(), f"Dockerfile: it copies {source}, which is not there")
        covered = any(source == rule or source.startswith(rule + "/") for rule in let_in)
        require(covered, f".dockerignore: {source} is not let through, and the Dockerfile copies it")
    for rule in let_in:
        used = any(source == rule or source.startswith(rule + "/") for source in sources)
        require(used, f".dockerignore: {rule} is let through, and the Dockerfile does not copy it")
    # Cargo says what the binary of `make service`, which the image holds, was made of: all of it must be copied before it is built.
    made_of = ROOT / "target/service/release/sagate.d"
    if not made_of.exists():
        return f"{len(sources)} paths copied, all there and let through; target/service/release/sagate.d is not there (make service), so what the build reads is NOT CHECKED"
    paths = made_of.read_text().partition(":")[2].replace("\\ ", "\0").split()
    inside = []
    for path in paths:
        path = pathlib.Path(path.replace("\0", " "))
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "target") and not path.is_relative_to(ROOT / ".libtorch"):
            inside.append(path.relative_to(ROOT).as_posix())
    for path in inside:
        require(
            any(path == source or path.startswith(source + "/") for source in sources),
            f"Dockerfile: the build reads {path}, which is not copied",
        )
    return f"{len(sources)} paths copied, all there and let through, among them all {len(inside)} that the build reads"


# compose.yaml by the rules of compose files, and by ours.


def compose() -> str:
    from compose_spec import PyCompose

    text = (ROOT / "deploy/compose.yaml").read_text()
    # Compose puts in the defaults of variables and merges (<<) before it reads.
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    require("${" not in filled, "compose.yaml: a variable without a default")
    content = yaml.safe_load(filled)
    try:
        PyCompose.from_yaml(yaml.safe_dump(content))
    except ValueError as error:
        raise Wrong(f"compose.yaml: {error}") from error
    services = content["services"]
    for name, service in services.items():
        where = f"compose.yaml: services.{name}"
        require(service.get("read_only") is True, f"{where} has a root that can be written to")
        require(service.get("cap_drop") == ["ALL"], f"{where} keeps capabilities")
        require("no-new-privileges:true" in service.get("security_opt", []), f"{where} may gain privileges")
        require(not service.get("privileged"), f"{where} is privileged")
        require(str(service.get("user", "0")).split(":")[0] != "0", f"{where} runs as root")
        tag = service["image"].rpartition(":")[2]
        require(tag != service["image"] and tag != "latest", f"{where}: image {service['image']} names no version")
        for port in service.get("ports", []):
            require(str(port).startswith("127.0.0.1:"), f"{where}: port {port} is open to other machines")
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                require((ROOT / "deploy" / source).exists(), f"{where}: {source} is not there")
                require(mode == ["ro"], f"{where}: {source} can be written to")
            else:
                require(source in content["volumes"], f"{where}: volume {source} is not listed")
        for network in service.get("networks", []):
            require(network in content["networks"], f"{where}: network {network} is not listed")
        for other in service.get("depends_on", {}):
            require("healthcheck" in services[other], f"{where} waits for {other}, which has no health check")
    command = services["sagate"]["healthcheck"]["test"]
    require(command == ["CMD", "/usr/bin/sagate", "health"], "compose.yaml: sagate's health check is not the binary's own")
    addresses = re.findall(r"address: (\S+), port_value: (\d+)", (ROOT / "deploy/envoy/envoy.yaml").read_text())
    require(("sagate", "50051") in addresses, "envoy.yaml: no replica sagate:50051, which is compose.yaml's")
    for target in ["envoy:9902"]:
        require(target in (ROOT / "deploy/prometheus.yaml").read_text(), f"prometheus.yaml: {target} is not scraped")
    return f"{len(services)} services, by compose_spec and by what is asked of each (read-only, no capabilities, not root, loopback ports)"


# KServe's objects, by the descriptions that KServe's and Kubernetes' own Python clients carry. They are read as text.


def described(kind: str) -> tuple[dict[str, str], set[str]] | None:
    """The keys of an object with the kind of each, and those that it must have; none for what has no description of its own."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
    for folder in ["kserve/models", "kubernetes/client/models"]:
        path = PACKAGES / folder / f"{name}.py"
        if path.exists():
            break
    else:
        return None
    tree = ast.parse(path.read_text())
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    tables = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict)
    }
    types, names = tables["openapi_types"], tables["attribute_map"]
    # A setter that refuses None stands for a key that must be there.
    needed = {
        names[node.name]
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name in names and "must not be `None`" in ast.unparse(node)
    }
    return {names[key]: types[key] for key in types}, needed


PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def hold(value: object, kind: str, where: str) -> int:
    """Checks a value by its kind; returns how many values were looked at."""
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        require(isinstance(value, list), f"{where} should be a list")
        return sum(hold(each, inner[1], f"{where}[{index}]") for index, each in enumerate(value))
    if inner := re.fullmatch(r"dict\(str, (.+)\)", kind):
        require(isinstance(value, dict), f"{where} should be a map")
        return sum(hold(each, inner[1], f"{where}.{key}") for key, each in value.items())
    if kind in PLAIN:
        fits = isinstance(value, PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
        require(fits, f"{where} should be {kind}, not {value!r}")
        return 1
    found = described(kind)
    if found is None:
        # Quantities, ports that are a name or a number, times.
        require(isinstance(value, (str, int)), f"{where} should be {kind}, not {value!r}")
        return 1
    keys, needed = found
    require(isinstance(value, dict), f"{where} should be a map")
    for key in value:
        require(key in keys, f"{where}: there is no {key}; there are {', '.join(sorted(keys))}")
    for key in needed:
        require(key in value, f"{where} has no {key}, which it must have")
    return sum(hold(each, keys[key], f"{where}.{key}") for key, each in value.items())


def kserve() -> str:
    objects = {}
    looked_at = 0
    for path in sorted((ROOT / "deploy/kserve").glob("*.yaml")):
        for content in yaml.safe_load_all(path.read_text()):
            group, _, version = content["apiVersion"].partition("/")
            require(group == "serving.kserve.io", f"{path.name}: apiVersion {content['apiVersion']}")
            kind = version[:1].upper() + version[1:] + content["kind"]
            require(described(kind), f"{path.name}: KServe has no {content['apiVersion']} {content['kind']}")
            objects[content["kind"]] = content
            looked_at += hold(content, kind, f"{path.name}: {content['kind']}")
    runtime, service = objects["ServingRuntime"], objects["InferenceService"]
    model = service["spec"]["predictor"]["model"]
    require(model["runtime"] == runtime["metadata"]["name"], "the service asks for another runtime than the one beside it")
    formats = [it["name"] for it in runtime["spec"]["supportedModelFormats"]]
    require(model["modelFormat"]["name"] in formats, f"the runtime's formats are {formats}")
    require(model["protocolVersion"] in runtime["spec"]["protocolVersions"], "the runtime does not speak the service's protocol")
    [container] = runtime["spec"]["containers"]
    require(container["name"] == "kserve-container", "KServe looks for a container called kserve-container")
    return f"{len(objects)} objects, {looked_at} values, by KServe's and Kubernetes' own descriptions"


# Settings that are named in deploy/ exist.


def settings() -> str:
    known = tomllib.loads((ROOT / "sagate.example.toml").read_text())
    names = set()
    files = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix not in {".json", ".pyc"}]
    for path in [*files, ROOT / "Dockerfile", ROOT / PAGE]:
        if ROOT / "deploy/check" in path.parents:
            continue
        for section, key in re.findall(r"SAGATE__([A-Z0-9]+)__([A-Z0-9_]+)", path.read_text()):
            if (section, key) == ("SECTION", "KEY"):
                continue
            names.add((section, key))
            there = key.lower() in known.get(section.lower(), {})
            require(there, f"{path.relative_to(ROOT)}: there is no setting {section.lower()}.{key.lower()}")
    require(names, "no setting was found at all")
    return f"{len(names)} settings are named in the environment of something, and all exist"


# Every fenced command of the page is run by a check, or says what it needs that is not here.


def page() -> str:
    lines = (ROOT / PAGE).read_text().splitlines()
    run = needing = 0
    index = 0
    while index < len(lines):
        if not lines[index].startswith("```sh"):
            index += 1
            continue
        end = lines.index("```", index + 1)
        where = f"{PAGE}: line {index + 1}"
        note = next((line for line in reversed(lines[:index]) if line.strip()), "")
        commands = [re.sub(r"\s+#.*", "", line).strip() for line in lines[index + 1 : end]]
        # Variables are the reader's own: a check has other values for them.
        commands = [line for line in commands if line and not re.match(r"#|\w+=\S*$", line)]
        if by := re.fullmatch(r"<!-- run by ([\w./ -]+) -->", note):
            scripts = "\n".join((ROOT / name).read_text() for name in by[1].split())
            names = by[1].split()
            for command in commands:
                there = command in scripts or command.split()[0] in names or (command.startswith("make ") and made(command, names))
                require(there, f"{where}: `{command}` is not in {by[1]}")
                run += 1
        elif re.fullmatch(r"<!-- needs (an engine|a cluster|root and systemd|a GPU) -->", note):
            needing += len(commands)
        else:
            raise Wrong(f"{where}: the commands should follow a line `<!-- run by SCRIPT -->` or `<!-- needs an engine -->`")
        index = end + 1
    require(run, f"{PAGE}: no command of it is run")
    return f"{run} commands are run by a check, {needing} say what they need that is not here"


def made(command: str, names: list[str]) -> bool:
    """Whether that target of the Makefile calls one of the scripts."""
    target = command.split()[1]
    recipe = re.search(rf"(?m)^{re.escape(target)}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text())
    return bool(recipe) and any(name in recipe[1] for name in names)


CHECKS = {check.__name__: check for check in [dockerfile, compose, kserve, settings, page]}


def main() -> None:
    failed = False
    for name in sys.argv[1:] or CHECKS:
        try:
            print(f"{name}: {CHECKS[name]()}")
        except Wrong as fault:
            print(f"{name}: WRONG: {fault}", file=sys.stderr)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
