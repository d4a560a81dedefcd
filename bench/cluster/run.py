"""Three replicas behind a real Envoy, watched by a real Prometheus, while replicas are restarted, killed and slowed down under load: what is lost.
Then the simulation of the same cluster, beside what was measured. `make cluster-demo` runs it."""

import argparse
import contextlib
import json
import shutil
import subprocess
import time
from pathlib import Path

from load import Load, answers, flags
from ports import free_ports
from prometheus import Prometheus
from proxy import Proxy
from replica import SAGATE, Replica
from version import renumber
from waiting import until

REPLICAS = 3
# Share of a core per replica, so that three, Envoy and the load test fit on two cores.
CORES = 0.45
# Share of a slow replica: an image takes about 3 seconds.
SLOW = 0.01
MODEL = "t1-brain"
SIDE = 128
KIND = f"size={SIDE}x{SIDE}"
# Deadline of requests: enough for a retry after a hanging replica.
DEADLINE = 30
# Tolerances of the simulation against the measurement, and of the busiest replica against the mean.
NEAR, SPREAD = 0.15, 0.15
# Minimum of images for a meaningful p99.
LEAST_IMAGES = 1500
SETTINGS = """
[models]
default = "t1-brain"
watch_seconds = 1
[serving.t1-brain]
canary = 2
canary_share = 0.25
"""


class Cluster:
    def __init__(self, folder):
        self.models = folder / "models"
        shutil.copytree(Path("models") / MODEL, self.models / MODEL)
        ports = free_ports(2 * REPLICAS + 3)
        self.replicas = []
        for number in range(REPLICAS):
            place = folder / f"replica-{number}"
            place.mkdir()
            pair = ports[2 * number: 2 * number + 2]
            self.replicas.append(Replica(f"replica-{number}", place, self.models, SETTINGS, CORES, pair))
        self.proxy = Proxy(folder, [replica.grpc for replica in self.replicas], *ports[-3:])
        self.prometheus = Prometheus(folder, [replica.admin for replica in self.replicas])

    def close(self):
        for part in (*self.replicas, self.proxy, self.prometheus):
            with contextlib.suppress(Exception):
                part.close()

    def load(self, seconds, deadline=DEADLINE, **options):
        return Load(self.proxy.url, seconds, kind=f"{KIND},deadline={deadline}", **options)

    def images(self):
        return [replica.images() for replica in self.replicas]

    def images_since(self, before):
        """Images of each replica since an earlier result of `images`."""
        return [now - then for now, then in zip(self.images(), before)]

    def bring_up(self, replica, healthy):
        """Starts a replica, and waits until Envoy sees so many healthy ones."""
        replica.start().wait_ready()
        self.proxy.wait_healthy(healthy)


def throughput(cluster, seconds):
    """Throughput of one, two and three busy replicas."""
    rates = []
    for number, replica in enumerate(cluster.replicas, 1):
        cluster.bring_up(replica, number)
        report = cluster.load(seconds, deadline=60, in_flight=4 * number).report()
        rates.append(report["all"]["answered_per_second"])
    return rates


def under_load(cluster, rate, seconds, name, change):
    """Outcomes of a load through the proxy during `change`."""
    before = cluster.proxy.counts()
    load = cluster.load(seconds, rate=rate)
    time.sleep(4)
    said = change()
    report = load.report()
    found = answers(report) | {"scenario": name, "p99_ms": report["all"]["latency"]["p99_ms"], "said": said}
    after = cluster.proxy.counts()
    found["retried"] = after["retried"] - before["retried"]
    return found


def rolling_restart(cluster):
    def change():
        for replica in cluster.replicas:
            code = replica.stop()
            if code != 0:
                raise RuntimeError(f"{replica.name} ended with {code}")
            cluster.bring_up(replica, REPLICAS)
        return "one after the other: SIGTERM, exit code 0, started again"

    return change


def killed(cluster):
    def change():
        victim = cluster.replicas[1]
        victim.kill()
        time.sleep(3)
        cluster.bring_up(victim, REPLICAS)
        return "SIGKILL while it worked, started again 3 s later"

    return change


def slowed(cluster):
    def change():
        victim = cluster.replicas[2]
        victim.share.set(SLOW)
        try:
            counts = until(lambda: taken_out(cluster), "the slow replica is taken out", 30)
        finally:
            victim.share.set(CORES)
        return f"{SLOW} of a core, until it was taken out ({counts})"

    return change


def taken_out(cluster):
    """How a replica was ejected, if one was."""
    counts = cluster.proxy.counts()
    if counts["ejected"] > 0:
        return "ejected for what it did not answer"
    return "it failed its health checks" if counts["healthy"] < REPLICAS else ""


def spread(cluster, rate, seconds):
    """How far the busiest replica is above the mean, by Prometheus' own count."""
    before = cluster.images()
    report = cluster.load(seconds, rate=rate).report()
    had = cluster.images_since(before)
    mean = sum(had) / len(had)
    return {"images": had, "spread": max(had) / mean - 1, "seen_by_prometheus": cluster.prometheus.up(), **answers(report)}


def stream(cluster):
    """Sends the committed slices with the example in Python: one by itself, then all as one stream."""
    samples = sorted(Path("samples/t1-brain/images").glob("*.png"))
    command = ["target/python-client/bin/python", "examples/python/client.py", cluster.proxy.url.removeprefix("http://"), *samples]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if len(printed) != len(samples) + 1 or any("failed" in line for line in printed):
        raise RuntimeError(f"the stream was not answered: {printed}")
    return len(samples)


def stream_stays(cluster):
    """A stream of many images is answered by one replica."""
    before = cluster.images()
    length = stream(cluster)
    had = cluster.images_since(before)
    # The image by itself goes where it goes.
    return {"images": had, "stays": max(had) >= length and sum(had) == length + 1}


def roll_out(cluster, rate, seconds):
    """A second version comes into the watched folder, gets its share everywhere as canary, and is rolled back, during a load for the first."""
    new = cluster.models / MODEL / "2"
    load = cluster.load(seconds, rate=rate)
    partial = cluster.models / ".incoming"
    shutil.copytree(cluster.models / MODEL / "1", partial)
    renumber(partial, 2)
    partial.rename(new)
    ready = f'sagate_model_ready{{model="{MODEL}",version="2"}}'
    for replica in cluster.replicas:
        until(lambda: replica.metrics().get(ready) == 1, "version 2 is ready")
    sent = 0

    def canaries():
        return [replica.images("2") for replica in cluster.replicas]

    # Streams go to any replica: until each has had one.
    while not all(canaries()) and sent < 40:
        stream(cluster)
        sent += 1
    shares = canaries()
    shutil.rmtree(new)
    for replica in cluster.replicas:
        until(lambda: replica.metrics().get(ready) != 1, "version 2 is gone")
    stream(cluster)
    report = load.report()
    return {"streams": sent, "images_of_the_canary": shares, **answers(report)}


def scaled(cluster, replicas):
    """Scales to so many replicas, and waits until Envoy sees them."""
    for number, replica in enumerate(cluster.replicas):
        if number < replicas and not replica.is_running():
            replica.start().wait_ready()
        elif number >= replicas and replica.is_running():
            replica.stop()
    cluster.proxy.wait_healthy(replicas)


def cpu_an_image(cluster, load):
    """Lets a load come to its end. Returns its report, and the CPU seconds that an image took the replicas."""
    running = [replica for replica in cluster.replicas if replica.is_running()]

    def now():
        return sum(replica.cpu_seconds() for replica in running), sum(replica.images() for replica in running)

    cpu, images = now()
    report = load.report()["all"]
    cpu_after, images_after = now()
    return report, (cpu_after - cpu) / (images_after - images)


def one_replica(cluster, folder, seconds):
    """What one replica can do, in images a second, the CPU seconds that an image took it meanwhile, and the milliseconds that an image takes
    beside: how much longer it is away when it is alone than a replica that always has the next one needs for it. The times of the former stay in
    `folder`."""
    scaled(cluster, 1)
    alone, alone_cpu = cpu_an_image(cluster, cluster.load(seconds, deadline=60, in_flight=1, out=folder))
    busy, busy_cpu = cpu_an_image(cluster, cluster.load(seconds, deadline=60, in_flight=4))
    one = busy["answered_per_second"]
    way = alone["latency_from_sending"]["mean_ms"] - 1e3 / one * alone_cpu / busy_cpu
    return one, alone_cpu, max(0.0, way)


def compared(cluster, folder, seconds):
    """Three clusters, each measured and simulated, over as much time as a p99 takes: one replica, three, and two that get more than they can do.
    A core is not equally fast at all times where others compute on the same machine. What tells is the CPU time that an image takes, so
    the simulation is told how many times as fast as when one replica was measured the cluster was by that."""
    one, cpu, way = one_replica(cluster, folder / "service", seconds // 2)
    found = []
    for replicas, words in (
        (1, {"rate": round(0.6 * one, 2)}),
        (3, {"rate": round(0.6 * 3 * one, 2)}),
        (2, {"in_flight": 6}),
    ):
        scaled(cluster, replicas)
        # The same seed: the same images at the same moments.
        words |= {"seed": 1, "warm_up": 2}
        long = max(seconds, round(LEAST_IMAGES / words["rate"])) if "rate" in words else seconds
        report, cluster_cpu = cpu_an_image(cluster, cluster.load(long, deadline=60, **words))
        speed = cpu / cluster_cpu
        guess = simulated(service=folder / "service/report.json", way=f"{way:.3f}", speed=f"{speed:.4f}", balancing="least-of-three",
                          replicas=replicas, seconds=long, **words)
        measured = {"throughput": report["answered_per_second"], "p99_ms": report["latency_from_sending"]["p99_ms"]}
        asked = f"{words['rate']} images/s" if "rate" in words else f"{words['in_flight']} in flight"
        name = f"{replicas} replica(s), {asked}"
        near = all(abs(guess[what] / measured[what] - 1) <= NEAR for what in measured)
        found.append({"cluster": name, "measured": measured, "simulated": guess, "speed": speed, "way_ms": way, "near": near})
    return found


def simulated(**options):
    done = subprocess.run([SAGATE, "--json", "simulate", *flags(options)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {"throughput": found["throughput"], "p99_ms": found["p99"] * 1e3}


def demonstrate(cluster, folder, seconds):
    """Runs everything; returns the failures."""
    wrong = []

    def hold(condition, what):
        if not condition:
            wrong.append(what)

    print(f"{REPLICAS} replicas of {CORES} of a core each ({cluster.replicas[0].share.kind}), images of {SIDE} x {SIDE}", flush=True)
    rates = throughput(cluster, seconds)
    for number, rate in enumerate(rates, 1):
        print(f"throughput of {number}: {rate / rates[0]:.2f} times one", flush=True)
    rate = round(0.5 * rates[-1], 2)

    found = {"share": cluster.replicas[0].share.kind, "throughput": rates, "scenarios": []}
    print(f"\n{'scenario':<16} {'sent':>6} {'answered':>8} {'retried':>7} {'lost':>5} {'p99 ms':>8}")
    for name, change in (
        ("rolling restart", rolling_restart(cluster)),
        ("kill", killed(cluster)),
        ("slow replica", slowed(cluster)),
    ):
        row = under_load(cluster, rate, 3 * seconds, name, change)
        found["scenarios"].append(row)
        print(f"{name:<16} {row['sent']:>6} {row['answered']:>8} {row['retried']:>7} {row['lost']:>5} {row['p99_ms']:>8.0f}  {row['said']}",
              flush=True)
        hold(row["lost"] == 0, f"{name}: {row['lost']} lost, {row['codes']}")
        time.sleep(6)

    cluster.proxy.wait_healthy(REPLICAS)
    found["spread"] = spread(cluster, rate, 2 * seconds)
    print(f"\nspread: {found['spread']['images']} images, the busiest {100 * found['spread']['spread']:.0f} % above the mean; "
          f"Prometheus sees {found['spread']['seen_by_prometheus']} replicas", flush=True)
    hold(found["spread"]["spread"] <= SPREAD, "the load is not spread")
    hold(found["spread"]["seen_by_prometheus"] == REPLICAS, "Prometheus does not see every replica")
    found["stream"] = stream_stays(cluster)
    print(f"stream: {found['stream']['images']} images by replica, of one stream and one by itself", flush=True)
    hold(found["stream"]["stays"], "a stream did not stay on its replica")
    found["roll_out"] = roll_out(cluster, rate, 3 * seconds)
    print(f"roll-out and back: {found['roll_out']['images_of_the_canary']} images of the canary by replica, "
          f"{found['roll_out']['sent']} others sent meanwhile, {found['roll_out']['lost']} lost", flush=True)
    hold(found["roll_out"]["lost"] == 0, f"roll-out: lost, {found['roll_out']['codes']}")
    hold(all(count > 0 for count in found["roll_out"]["images_of_the_canary"]), "a replica has no canary")

    found["simulation"] = compared(cluster, folder, 12 * seconds)
    print("\nsimulation beside measurement")
    for row in found["simulation"]:
        ratios = {what: row["simulated"][what] / row["measured"][what] for what in row["measured"]}
        print(f"{row['cluster']:<36} throughput {ratios['throughput']:.2f}, p99 {ratios['p99_ms']:.2f} of what was measured "
              f"(CPU {row['speed']:.2f} times as fast as when one replica was measured)", flush=True)
        hold(row["near"], f"the simulation of {row['cluster']} is not near: {row}")
    return found, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="unit of time: a throughput takes one, a scenario three, a comparison twelve")
    parser.add_argument("--out", type=Path, default=Path("target/cluster-demo"), help="folder for report.json and the logs")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    cluster = Cluster(arguments.out.resolve())
    try:
        cluster.proxy.start()
        cluster.prometheus.start()
        found, wrong = demonstrate(cluster, arguments.out.resolve(), arguments.seconds)
    finally:
        cluster.close()
    (arguments.out / "report.json").write_text(json.dumps(found, indent=2))
    for what in wrong:
        print(f"WRONG: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
