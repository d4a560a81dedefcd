"""Checks helm/sagate, without a cluster. Each check prints one line; what is wrong is said with its place, and ends with exit code 1."""

import argparse
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import helm_python
import yaml

import config_schema
import deploy_docs
import fetching
import living
import objects
import readme
from chart import CHART, GOLDEN, HERE, KINDS, OUT, ROOT, Wrong, every_case, label, merged, objects_of, of_kind, settings_of, text_of, values_of


def say(line):
    print(f"helm: {line}", flush=True)


def made_files():
    """Files that are made of others: each with what it should hold."""
    yield CHART / "files" / "alerts.yaml", lambda: (ROOT / "deploy" / "alerts.yaml").read_text()
    yield CHART / "values.schema.json", config_schema.schema_text
    yield CHART / "README.md", readme.readme_text
    for kind in KINDS:
        yield GOLDEN / f"{kind}.yaml", lambda kind=kind: golden(kind)


def golden(kind):
    """What `helm template` makes of a values file, as it is read in reviews."""
    head = f"# Made by .ci/helm-check --update from helm/sagate with values-{kind}.yaml; release gate, namespace imaging.\n"
    rendered = text_of(values_of(kind))
    return head + "".join(f"---\n# {path.removeprefix('sagate/')}\n{text.strip()}\n" for path, text in sorted(rendered.items()) if text.strip())


def check_made():
    """What is made of other files is what they say: golden renders, README, the schema of `config`, the chart's alerts."""
    old = [str(path.relative_to(ROOT)) for path, text in made_files() if not path.exists() or path.read_text() != text()]
    if old:
        for path, text in made_files():
            if str(path.relative_to(ROOT)) in old:
                OUT.mkdir(parents=True, exist_ok=True)
                (OUT / "should-be").write_text(text())
                subprocess.run(["diff", "-u", path, OUT / "should-be"], check=False)
        raise Wrong(f"out of date: {', '.join(old)}. Look at the difference above; `.ci/helm-check --update` writes them anew")
    strangers = {path.name for path in GOLDEN.iterdir()} - {f"{kind}.yaml" for kind in KINDS}
    if strangers:
        raise Wrong(f"helm/golden: {sorted(strangers)} belong to no values file")
    rows = readme.table().count("\n") - 1
    say(f"golden renders of {len(KINDS)} values files, the schema of config, {rows} rows of the README and the alerts are up to date")


def check_versions():
    """Chart.yaml names the version of sagate that this repository holds."""
    meta = yaml.safe_load((CHART / "Chart.yaml").read_text())
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    if meta["appVersion"] != cargo:
        raise Wrong(f"helm/sagate/Chart.yaml: appVersion is {meta['appVersion']}, and Cargo.toml has {cargo}")
    say(f"the chart is {meta['version']}, for sagate {cargo}")


def check_package():
    """The package holds all that the folder does: what it renders is the same."""
    OUT.mkdir(parents=True, exist_ok=True)
    packed = helm_python.package(CHART, destination=OUT)
    with helm_python.Chart.load(packed) as chart:
        for kind in KINDS:
            if chart.render(values_of(kind), name="gate", namespace="imaging") != text_of(values_of(kind)):
                raise Wrong(f"{packed} renders values-{kind}.yaml otherwise than the folder: see helm/sagate/.helmignore")
    say(f"{pathlib.Path(packed).name}: {pathlib.Path(packed).stat().st_size} bytes, renders as the folder does")


def check_lint():
    """`helm lint --strict` for every values file."""
    # A chart without an icon is no fault.
    allowed = {"icon is recommended"}
    for kind in KINDS:
        report = helm_python.lint(CHART, values_of(kind), strict=True, namespace="imaging")
        found = [it for it in report["messages"] if not any(words in it["error"] for words in allowed)]
        if found or report["errors"]:
            raise Wrong(f"helm lint with values-{kind}.yaml: {found} {report['errors']}")
    say(f"lint of {len(KINDS)} values files: clean (Helm {helm_python.helm_sdk_version()})")


def check_refused():
    """Wrong values are refused, with a message that names the field."""
    cases = yaml.safe_load((HERE / "refused.yaml").read_text())
    for case in cases:
        try:
            text_of(merged({"tls": {"mode": "insecure"}}, case["values"]))
        except Wrong as error:
            # The schema writes /tls/mode where a template writes tls.mode.
            message = str(error)
            for name in case["names"]:
                if name not in message and f"/{name.replace('.', '/')}" not in message:
                    raise Wrong(f"{case['values']}: the message does not name {name}: {message}") from error
        else:
            raise Wrong(f"{case['values']} should be refused, and is rendered")
    say(f"{len(cases)} wrong values: each refused, with the field's name")


def check_objects():
    """Every rendered object: schemas, Pod Security, and that objects fit together."""
    counts = {"kubernetes": 0, "own": 0}
    own = set()
    cases = every_case()
    for name, values in cases:
        made = objects_of(values)
        # A volume from an image came after the oldest Kubernetes that the chart is for.
        newer = values.get("models", {}).get("source") == "imageVolume"
        try:
            for it in made:
                by = objects.fits_schema(it, objects.VERSIONS[1:] if newer else objects.VERSIONS)
                counts[by] += 1
                if by == "own":
                    own.add(it["kind"])
            objects.restricted(made)
            objects.fit_together(made)
            notes = text_of(values)["sagate/templates/NOTES.txt"]
            if ("NOT ENCRYPTED" in notes) != (values["tls"]["mode"] == "insecure"):
                raise Wrong("NOTES.txt must say whether it is encrypted")
        except Wrong as error:
            raise Wrong(f"{name}: {error}") from error
    # A release and a namespace whose names are numbers to YAML.
    for kind in KINDS:
        for it in objects_of(values_of(kind), "1e3", "0x1f"):
            objects.fits_schema(it, objects.VERSIONS)
            if it["metadata"]["namespace"] != "0x1f" or it["metadata"]["labels"]["app.kubernetes.io/instance"] != "1e3":
                raise Wrong(f"{label(it)}: namespace {it['metadata']['namespace']!r}, labels {it['metadata']['labels']}")
    # Settings are read at the start only, so that others must make other pods; and nothing else should.
    def pod(values):
        [workload] = of_kind(objects_of(values), "Deployment")
        return workload["spec"]["template"]

    dev = values_of("dev")
    if pod(dev) == pod(merged(dev, {"config": {"log": {"level": "debug"}}})):
        raise Wrong("another setting must make other pods: checksum/config")
    if pod(dev) != pod(merged(dev, {"workload": {"replicas": 3}, "service": {"type": "NodePort"}})):
        raise Wrong("another number of replicas must not make other pods")
    say(f"{len(cases)} sets of values, {counts['kubernetes']} objects fit the schemas of Kubernetes {' and '.join(objects.VERSIONS)}; "
        f"all pods keep to `restricted`; names, selectors, ports, volumes fit")
    say(f"{counts['own']} custom resources ({', '.join(sorted(own))}) fit helm/check/crds only: the fields that the chart uses, by their "
        "projects' documentation, not the projects' own schemas")
    unused = {path.stem for path in (HERE / "crds").iterdir()} - {kind.lower() for kind in own}
    if unused:
        raise Wrong(f"helm/check/crds: nothing is held against {sorted(unused)}")


def rendered_folder():
    """The four values files and the odd ones as plain objects, a folder that checkov reads."""
    folder = OUT / "rendered"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, (name, values) in enumerate(every_case()):
        if name.startswith("odd: an operator's choice"):
            continue
        # A namespace of its own for each, or one's NetworkPolicy would count for all.
        namespace = KINDS[number] if number < len(KINDS) else f"odd-{number}"
        made = objects_of(values, namespace=namespace)
        (folder / f"{namespace}.yaml").write_text(f"# {name}\n" + yaml.safe_dump_all(made, sort_keys=False))
    return folder


def check_checkov():
    """checkov's rules, but for the exceptions of exceptions.toml."""
    command = [pathlib.Path(sys.executable).parent / "checkov", "--directory", rendered_folder(), "--framework", "kubernetes",
               "--skip-download", "--compact", "--quiet", "--output", "json"]
    # It would tell its maker's server of each run.
    environment = os.environ | {"CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false", "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    try:
        report = json.loads(done.stdout)
        summary, failed = report["summary"], report["results"]["failed_checks"]
    except (ValueError, KeyError, TypeError) as error:
        raise Wrong(f"checkov gave no report: {done.stdout[-500:]}{done.stderr[-1500:]}") from error
    if summary["passed"] == 0 or summary["parsing_errors"]:
        raise Wrong(f"checkov: {summary}")
    exceptions = tomllib.loads((HERE / "exceptions.toml").read_text())["exception"]
    needed = {rule["rule"]: set() for rule in exceptions}
    for it in failed:
        kind, namespace, name = it["resource"].split(".", 2)
        place = f"{namespace}/{kind}/{name}"
        for rule in exceptions:
            if rule["rule"] == it["check_id"]:
                fitting = [pattern for pattern in rule["objects"] if fnmatch.fnmatchcase(place, pattern)]
                needed[rule["rule"]].update(fitting)
                if fitting:
                    break
        else:
            raise Wrong(f"checkov {it['check_id']} ({it['check_name']}): {place}, {OUT / 'rendered'}{it['file_path']}")
    for rule in exceptions:
        unneeded = set(rule["objects"]) - needed[rule["rule"]]
        if unneeded:
            raise Wrong(f"helm/check/exceptions.toml: {rule['rule']} is broken by nothing like {sorted(unneeded)} any more")
        if len(rule.get("reason", "")) < 20:
            raise Wrong(f"helm/check/exceptions.toml: {rule['rule']} needs a reason")
    say(f"checkov {summary['checkov_version']}: {summary['passed']} rules kept, {len(failed)} broken on purpose by {len(exceptions)} exceptions:")
    for rule in exceptions:
        print(f"        {rule['rule']} ({rule['name']}; {', '.join(rule['objects'])}): {rule['reason']}")


def check_rules():
    """promtool reads the alerts as the PrometheusRule holds them."""
    promtool = ROOT / ".tools" / "promtool"
    promtool = str(promtool) if promtool.exists() else shutil.which("promtool")
    [rule] = of_kind(objects_of(values_of("ha")), "PrometheusRule")
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"], sort_keys=False))
    # Two roads to the same rules: braces must come through Helm's templates as they were.
    if rule["spec"] != yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text()):
        raise Wrong("the PrometheusRule does not hold the rules of deploy/alerts.yaml")
    if not promtool:
        say("alerts: NOT CHECKED: no promtool")
        return
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"promtool check rules: {done.stdout}{done.stderr}")
    say(f"the PrometheusRule: {re.search(r'[0-9]+ rules found', done.stdout).group(0)} by promtool")


def sagate():
    """The binary, where there is one."""
    named = os.environ.get("SAGATE", "")
    for path in [named] if named not in ("", "required") else [str(ROOT / "target" / "release" / "sagate")]:
        if shutil.which(path):
            return path
        if named not in ("", "required"):
            raise Wrong(f"SAGATE: {path} is no program")
    if named == "required":
        raise Wrong("SAGATE=required, and there is no target/release/sagate: `make build`")
    return None


def check_settings():
    """Every rendered sagate.toml holds settings that sagate has, and sagate takes it."""
    known = config_schema.settings()
    cases = every_case()
    binary = sagate()
    OUT.mkdir(parents=True, exist_ok=True)
    for name, values in cases:
        text = settings_of(objects_of(values))
        for section, keys in tomllib.loads(text).items():
            for table in keys.values() if section == "serving" else [keys]:
                strange = table.keys() - known.get(section, {}).keys()
                if strange:
                    raise Wrong(f"{name}: [{section}] has {sorted(strange)}, which sagate.example.toml does not know")
        if binary:
            path = OUT / "sagate.toml"
            path.write_text(text + "\n")
            done = subprocess.run([binary, "config", "check", path], capture_output=True, text=True)
            if done.returncode != 0:
                raise Wrong(f"{name}: {done.stderr or done.stdout}\n{text}")
    by = "sagate config check takes each" if binary else "NOT CHECKED by sagate itself: there is no target/release/sagate"
    say(f"{len(cases)} rendered sagate.toml hold settings of sagate.example.toml; {by}")


def check_models():
    """docs/operate/kubernetes.md and values.yaml say that the bundled models do not fit into a ConfigMap; a model of 1 MiB or less does."""
    limit = 1 << 20
    sizes = {folder.parent.name: sum(file.stat().st_size for file in folder.iterdir()) for folder in ROOT.glob("models/*/1")}
    if not sizes or min(sizes.values()) <= limit:
        raise Wrong(f"bundled models {sizes}: one fits into a ConfigMap now; say so in values.yaml and docs/operate/kubernetes.md")
    say(f"a ConfigMap holds {limit} bytes; the bundled models have {', '.join(f'{size} ({name})' for name, size in sorted(sizes.items()))}")


def check_fetch():
    """The init container's script, against a web server and stand-ins of S3 and GCS."""
    fetching.check(say)


def check_living():
    """A real sagate with rendered settings: probes, test pod, tokens, end."""
    binary = sagate()
    if binary:
        living.check(say, binary)
    else:
        say("pods as processes: NOT CHECKED: there is no target/release/sagate")


def check_docs():
    """Every command of docs/operate/kubernetes.md."""
    deploy_docs.check(say, sagate())


CHECKS = {
    "made": check_made, "versions": check_versions, "package": check_package, "lint": check_lint, "refused": check_refused,
    "objects": check_objects, "settings": check_settings, "models": check_models, "rules": check_rules, "fetch": check_fetch,
    "living": check_living, "docs": check_docs, "checkov": check_checkov,
}


def main():
    about = "\n".join(f"  {name:10}{check.__doc__}" for name, check in CHECKS.items())
    parser = argparse.ArgumentParser(prog=".ci/helm-check", description=f"{__doc__}\n\n{about}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", choices=[[], *CHECKS], metavar="CHECK", help="only these [default: all]")
    parser.add_argument("--update", action="store_true", help="write what is made of other files anew, before the checks")
    args = parser.parse_args()
    failed = 0
    if args.update:
        for path, text in made_files():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text())
    for name in args.checks or CHECKS:
        try:
            CHECKS[name]()
        except Wrong as error:
            failed += 1
            print(f"helm: {name}: WRONG: {error}", file=sys.stderr, flush=True)
    if failed:
        sys.exit(f"helm: {failed} of {len(args.checks or CHECKS)} checks failed")


if __name__ == "__main__":
    main()
