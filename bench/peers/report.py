"""The report of a run: a table on the screen, JSON, and from a full run docs/benchmarks.md with its plot."""

import datetime
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

import matplotlib
import numpy as np
import settings

matplotlib.use("svg")
from matplotlib import pyplot

DOCS = settings.ROOT / "docs"
MIB = 1 << 20
# PyPI distribution names, by environment.
VERSIONS = {"triton": "nvidia-pytriton", "ort": "onnxruntime", "litserve": "litserve", "mosec": "mosec", "bentoml": "bentoml", "torch": "torch"}
CANNOT = """\
- **Triton** runs here through PyTriton, which is Triton's own server with the Python backend: its ONNX Runtime, PyTorch (libtorch) and TensorRT
  backends come only in NVIDIA's container image, which was not available, and are not compared.
- **ONNX Runtime** is not a server: the minimal one used here has no batching, health, metrics, deadlines, or second model.
- **LitServe**, **mosec** and **BentoML** answer HTTP only. BentoML batches JSON, so its images are base64; the others take raw
  bytes.
- **mosec** waits at least a millisecond for a batch to fill.
- **None of them** computes mu or gates: "with QC" times the method as a user would write it.
- **sagate** computes mu in every pass: its row is the same in both halves."""


def write(arguments, complete, results, own):
    """Prints the table and writes JSON; of a complete run also the page with its plot."""
    found = {
        "date": datetime.date.today().isoformat(),
        "command": f"make bench-peers ROUNDS={arguments.rounds} SECONDS={arguments.seconds:g}",
        "machine": machine(),
        "versions": versions(),
        "mu_of_sagate": [mu for mu, _ in own],
        "settings": [summary(result) for result in results],
    }
    found["ratios"] = ratios(found["settings"])
    place = settings.VENVS / "report.json"
    place.write_text(json.dumps(found, indent=1))
    print(table(found["settings"]))
    print(verdicts(found["ratios"]))
    print(f"everything: {place.relative_to(settings.ROOT)}")
    if complete:
        plot(found["settings"], DOCS / "images" / "bench-peers.svg")
        (DOCS / "benchmarks.md").write_text(page(found))
        print("written: docs/benchmarks.md, docs/images/bench-peers.svg")
    else:
        print("docs/benchmarks.md is left as it was: that takes everyone, three rounds, and 1, 4 and 16 in flight")


def summary(result):
    """Medians over the rounds."""
    setting, rounds = result["setting"], [each for each in result["rounds"] if "levels" in each]
    found = {
        "name": setting.name,
        "peer": setting.peer,
        "qc": setting.qc,
        "setup": setting.setup,
        "failure": result["failure"],
        "agreement": [each["agreement"] for each in result["rounds"]],
        "install_bytes": settings.installed_bytes(setting.peer),
        "levels": {},
    }
    if result["failure"] or not rounds:
        return found
    found["start_seconds"] = statistics.median(each["start_seconds"] for each in rounds)
    found["peak_bytes"] = statistics.median(each["peak_bytes"] for each in rounds)
    for in_flight in rounds[0]["levels"]:
        levels = [each["levels"][in_flight] for each in rounds]
        over = lambda of: statistics.median(of(level) for level in levels)
        found["levels"][in_flight] = {
            "images": sum(len(level["latencies_ms"]) for level in levels),
            "images_per_second": over(lambda level: level["images_per_second"]),
            "p50_ms": over(lambda level: float(np.quantile(level["latencies_ms"], 0.5))),
            "p99_ms": over(lambda level: float(np.quantile(level["latencies_ms"], 0.99))),
            "server_cpu_ms_per_image": over(lambda level: level["server_cpu_ms_per_image"]),
            "client_cpu_share": over(lambda level: level["client_cpu_share"]),
            "rounds_images_per_second": [level["images_per_second"] for level in levels],
        }
    return found


def ratios(summaries):
    """Images a second of sagate, as it is set up in one way and the other, over each other's, and its p99 over theirs, for each number in flight."""
    own = [each for each in summaries if each["peer"] == "sagate" and each["levels"]]
    others = [each for each in summaries if each["peer"] != "sagate" and each["levels"]]
    found = []
    for each, mine in itertools.product(others, own):
        over = lambda key: {in_flight: mine["levels"][in_flight][key] / level[key] for in_flight, level in each["levels"].items()}
        about = {"of": mine["setup"], "name": each["name"], "peer": each["peer"], "qc": each["qc"]}
        found.append(about | {"images_per_second": over("images_per_second"), "p99": over("p99_ms")})
    return found


def verdicts(found):
    """The ratios, a line a server."""
    setups = list(dict.fromkeys(each["of"] for each in found))
    head = ["against"] + [f"sagate, {setup}: {what} over its" for setup in setups for what in ["images/s", "p99"]]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    along = lambda of: ", ".join(f"{ratio:.2f} ({in_flight})" for in_flight, ratio in of.items())
    for name, each in itertools.groupby(found, key=lambda each: each["name"]):
        cells = [along(of) for ratio in each for of in [ratio["images_per_second"], ratio["p99"]]]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def table(summaries):
    """One row a server, the three numbers in flight side by side."""
    head = ["server", "QC", "set up as", "images/s at 1 / 4 / 16 in flight", "p50 ms", "p99 ms", "peak MiB", "start s", "install MiB", "CPU ms an image"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for each in summaries:
        first = [settings.TITLES[each["peer"]], "always" if each["peer"] == "sagate" else each["qc"], each["setup"]]
        install = f"{each['install_bytes'] / MIB:.0f}"
        if each["failure"]:
            lines.append("| " + " | ".join([*first, f"not timed: {each['failure']}", "", "", "", "", install, ""]) + " |")
            continue
        levels = each["levels"].values()
        along = lambda key, digits: " / ".join(f"{level[key]:.{digits}f}" for level in levels)
        cells = [along("images_per_second", 1), along("p50_ms", 0), along("p99_ms", 0)]
        cells += [f"{each['peak_bytes'] / MIB:.0f}", f"{each['start_seconds']:.1f}", install, along("server_cpu_ms_per_image", 0)]
        lines.append("| " + " | ".join([*first, *cells]) + " |")
    return "\n".join(lines)


def plot(summaries, path):
    """Images a second of every server at each number in flight."""
    timed = [each for each in summaries if each["levels"]][::-1]
    labels = [f"{settings.TITLES[each['peer']]}, {each['setup']}, QC {'always' if each['peer'] == 'sagate' else each['qc']}" for each in timed]
    figure, axes = pyplot.subplots(figsize=(10, 0.42 * len(timed) + 1.2))
    for shift, in_flight in zip([0.27, 0, -0.27], timed[0]["levels"]):
        rates = [each["levels"][in_flight]["images_per_second"] for each in timed]
        axes.barh(np.arange(len(timed)) + shift, rates, height=0.25, label=f"{in_flight} in flight")
    axes.set_yticks(np.arange(len(timed)), labels, fontsize=8)
    axes.set_xlabel("images/s, base width 16, 256 x 256")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def machine():
    """The machine, and its load."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"processor": model and model[1], "cores": os.cpu_count(), "load": os.getloadavg(), "system": platform.platform()}


def versions():
    """Of everything that was compared."""
    found = {"sagate": subprocess.run([settings.SAGATE, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]}
    for environment, name in VERSIONS.items():
        sites = [str(site) for site in (settings.VENVS / environment / "lib").glob("python3*/site-packages")]
        found[name] = next((each.version for each in importlib.metadata.distributions(name=name, path=sites)), "missing")
    return found


def page(found):
    """docs/benchmarks.md."""
    tolerable = [agreement for each in found["settings"] for agreement in each["agreement"]]
    masks = max((each["mask"] for each in tolerable if each["agrees"]), default=0)
    mus = max((each["mu"] for each in tolerable if each["agrees"] and each["mu"] is not None), default=0)
    clients = [level["client_cpu_share"] for each in found["settings"] for level in each["levels"].values()]
    about = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"""\
# Comparison with other servers

`{found["command"]}` wrote this page on {found["date"]}, on {about["cores"]} cores ({about["processor"]}), with a load of
{about["load"][0]:.1f} at its end. {versions}; Debian's python3.

The bundled network t1-brain (base width 16) at 256 x 256, on the committed slices, preprocessed in advance: every server gets the same float32
values and returns the mask as bits, and mu where it has QC (quality control). Same weights, {settings.THREADS} threads in all for each, loopback only, the client (Python, one
process) on the same cores. Each round starts every server in turn, alone, checks its answers against sagate's, and keeps 1, 4 and 16 requests in flight for
some seconds; medians over the rounds. Memory is the resident memory of all processes; install size excludes Python itself and PyTorch's CUDA half. The client took at most {max(clients, default=0):.1%} of the cores.

QC "published" is the method as in the paper: prototypes by masked means, the nearer one by argmin for every unit, Dice, mean. "compared" replaces argmin
by `<`, an optimisation that profiling suggests, because PyTorch's argmin over two values is slow on a CPU. "frozen" is TorchScript, traced and frozen, channels
last, the fastest form of PyTorch that was found; "eager" is the module as trained. sagate's "default configuration" convolves with libtorch's oneDNN,
"Winograd" is `device.convolutions = "winograd"`. In brackets: requests in flight. Servers that batch use batches of at most 4.

{table(found["settings"])}

![Images a second](images/bench-peers.svg)

{verdicts(found["ratios"])}

The masks of every timed server differ from sagate's in at most {masks:.1e} of the pixels, its mu by at most {mus:.1e}.

## Limits of the comparison

{CANNOT}
"""
