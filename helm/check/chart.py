"""The chart and what Helm's own engine makes of it."""

import functools
import pathlib

import helm_python
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "sagate"
GOLDEN = ROOT / "helm" / "golden"
HERE = ROOT / "helm" / "check"
OUT = ROOT / "target" / "helm-check"
RELEASE, NAMESPACE = "gate", "imaging"
KINDS = ["dev", "cpu", "gpu", "ha"]


class Wrong(Exception):
    """What a check found; its text is for the person who changes the chart."""


@functools.cache
def chart():
    return helm_python.Chart.load(CHART)


def merged(below, above):
    """Values as Helm merges them: maps key by key, everything else as a whole."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: merged(below[key], value) if key in below else value for key, value in above.items()}


def values_of(kind):
    return helm_python.values_from_yaml((CHART / f"values-{kind}.yaml").read_text())


@functools.cache
def odd():
    """Values that nobody would write into one file, by name."""
    every = yaml.safe_load((HERE / "odd.yaml").read_text())
    return {name: merged({"tls": {"mode": "insecure"}}, values or {}) for name, values in every.items()}


def every_case():
    """Name and values of everything that is rendered: the four files, and the odd values."""
    return [(f"values-{kind}.yaml", values_of(kind)) for kind in KINDS] + [(f"odd: {name}", odd()[name]) for name in odd()]


def text_of(values, name=RELEASE, namespace=NAMESPACE):
    """What `helm template` prints, by template."""
    try:
        return chart().render(values, name=name, namespace=namespace)
    except helm_python.HelmError as error:
        raise Wrong(f"does not render: {error}") from error


def objects_of(values, name=RELEASE, namespace=NAMESPACE):
    rendered = text_of(values, name, namespace)
    texts = [text for path, text in sorted(rendered.items()) if path.endswith(".yaml")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each is not None]


def label(it):
    return f"{it['kind']}/{it['metadata']['name']}"


def of_kind(objects, *kinds):
    return [it for it in objects if it["kind"] in kinds]


def pods_of(objects):
    """The pods that these objects are or make: object, metadata and spec of each."""
    for it in objects:
        if it["kind"] == "Pod":
            yield it, it["metadata"], it["spec"]
        elif it["kind"] in ("Deployment", "StatefulSet"):
            yield it, it["spec"]["template"]["metadata"], it["spec"]["template"]["spec"]


def settings_of(objects):
    [config] = of_kind(objects, "ConfigMap")
    return config["data"]["sagate.toml"]
