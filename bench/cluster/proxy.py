"""Envoy in front of the replicas, configured from deploy/envoy."""

import json
import subprocess
import sys
import urllib.request

from waiting import until

CLUSTER = "sagate"
# Per-try timeout, twenty times the service time: a slower replica counts as hanging, and the call is retried at another.
HANGS = "2s"


class Proxy:
    def __init__(self, folder, replicas, port, admin, stats):
        self.folder, self.admin, self.process = folder, admin, None
        self.url = f"http://127.0.0.1:{port}"
        words = ["--listen", port, "--admin", admin, "--stats", stats, *(f"127.0.0.1:{replica}" for replica in replicas)]
        settings = subprocess.run([sys.executable, "deploy/envoy/local", *map(str, words)], capture_output=True, text=True, check=True).stdout
        if settings.count("per_try_timeout: 30s") != 1:
            raise RuntimeError("deploy/envoy/envoy.yaml: per_try_timeout is not there once")
        (folder / "envoy.yaml").write_text(settings.replace("per_try_timeout: 30s", f"per_try_timeout: {HANGS}"))

    def start(self):
        self.process = subprocess.Popen(
            [".ci/envoy", "-c", self.folder / "envoy.yaml", "--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id"],
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "envoy.access.log", "w"), stderr=open(self.folder / "envoy.log", "w"))

    def counts(self):
        """Retries, ejected replicas and healthy replicas."""
        url = f"http://127.0.0.1:{self.admin}/stats?format=json&filter=^cluster.{CLUSTER}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = {stat["name"]: stat["value"] for stat in json.load(answer)["stats"] if "name" in stat}
        of = {"retried": "upstream_rq_retry", "ejected": "outlier_detection.ejections_active", "healthy": "membership_healthy"}
        return {ours: found.get(f"cluster.{CLUSTER}.{theirs}", 0) for ours, theirs in of.items()}

    def wait_healthy(self, replicas, seconds=60):
        """Waits until so many replicas are healthy."""
        def are_healthy():
            if self.process.poll() is not None:
                raise RuntimeError(f"Envoy ended with {self.process.returncode}: see {self.folder}/envoy.log")
            try:
                return self.counts()["healthy"] == replicas
            except OSError:
                return False

        until(are_healthy, f"Envoy sees {replicas} healthy replicas", seconds)

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
