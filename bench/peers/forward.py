"""The network's forward alone: sagate's inference form against ONNX Runtime on the same graph, threads and machine, in turns. `make bench-forward`
runs it.

In each turn `sagate bench network` gives the median of its rounds, and ONNX Runtime the median of as many passes, half of them before and half after. The
ratio of a turn is the one over the other; the median over the turns is printed, and the least of each, which a busy machine moves less."""

import argparse
import json
import statistics
import subprocess
import time

import graph
import numpy as np
import onnxruntime
import settings

ROUNDS, SIDE = 8, 256


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def passes(run, count):
    """Milliseconds of each pass, after one that is not counted."""
    run()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        run()
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def of_sagate(convolutions, base, batch, threads):
    sizes = ["--base", str(base), "--size", str(SIDE), "--batch", str(batch), "--rounds", str(ROUNDS)]
    how = ["--json", "--threads", str(threads), "--convolutions", convolutions]
    command = [settings.SAGATE, *how, "bench", "network", *sizes, "--no-memory"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["forward_ms"]


def compare(base, batch, arguments):
    weights = graph.random_weights(base)
    image = np.random.default_rng(1).standard_normal((batch, 1, SIDE, SIDE)).astype(np.float32)
    turns = {"probability": [], "probability and taps": []}
    own = {"libtorch": [], "winograd": []}
    for _ in range(arguments.turns):
        sessions = {name: session(graph.unet(weights, taps=name != "probability"), arguments.threads) for name in turns}
        run = {name: lambda it=it: it.run(None, {"image": image}) for name, it in sessions.items()}
        times = {name: passes(run[name], ROUNDS // 2) for name in turns}
        for convolutions, times_of_own in own.items():
            times_of_own.append(of_sagate(convolutions, base, batch, arguments.threads))
        for name in turns:
            turns[name].append(times[name] + passes(run[name], ROUNDS // 2))
    found = {"base": base, "batch": batch, "sagate_ms": own, "onnx_runtime": {}}
    for name, times in turns.items():
        theirs = [statistics.median(each) for each in times]
        found["onnx_runtime"][name] = {"ms": theirs, "ratios": {}}
        for convolutions, mine in own.items():
            ratio = statistics.median(one / other for one, other in zip(mine, theirs))
            of_least = min(mine) / min(theirs)
            found["onnx_runtime"][name]["ratios"][convolutions] = {"ratio": ratio, "ratio_of_least": of_least}
            print(f"| {base} | {batch} | {convolutions} | {name} | {ratio:.3f} | {of_least:.3f} |", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=settings.THREADS)
    parser.add_argument("--bases", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    print(f"ONNX Runtime {onnxruntime.__version__}, {arguments.threads} threads, 256 x 256; sagate gives its two taps in each pass")
    print("| base | batch | sagate convolves by | ONNX Runtime gives | sagate / ONNX Runtime | of the least |\n|---|---|---|---|---|---|")
    found = [compare(base, batch, arguments) for base in arguments.bases for batch in arguments.batches]
    (settings.VENVS / "forward.json").write_text(json.dumps(found, indent=1))
