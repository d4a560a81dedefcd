"""One replica: a sagate process of its own, with a share of the cores of its own."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

from share import Share
from waiting import until

SAGATE = Path("target/release/sagate").resolve()
START_LIMIT, STOP_LIMIT = 60, 60


class Replica:
    """Keeps its ports over restarts, as a replica keeps its address behind a service."""

    def __init__(self, name, folder, models, settings, cores, ports):
        self.name, self.folder, self.models, self.settings = name, folder, models, settings
        self.grpc, self.admin = ports
        self.share = Share(name, cores)
        self.process = None

    def start(self):
        """Starts it; `wait_ready` waits."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SAGATE__")}
        settings = self.folder / "sagate.toml"
        settings.write_text(self.settings)
        self.printed = open(self.folder / f"{self.name}.jsonl", "w+")
        self.process = subprocess.Popen(
            [SAGATE, "--json", "--models", self.models, "--threads", "1", "--config", settings, "serve",
             "--listen", f"127.0.0.1:{self.grpc}", "--admin", f"127.0.0.1:{self.admin}"],
            stdin=subprocess.DEVNULL, stdout=self.printed, stderr=open(self.folder / f"{self.name}.log", "a"),
            env=environment, preexec_fn=self.share.join)
        return self

    def wait_ready(self):
        until(self.is_ready, f"{self.name} is ready", START_LIMIT)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: see {self.folder / self.name}.log")
        return any(json.loads(line).get("event") == "ready" for line in self.lines())

    def lines(self):
        return [line for line in Path(self.printed.name).read_text().splitlines() if line]

    def stop(self):
        """Drains it (SIGTERM). Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_LIMIT)

    def kill(self):
        """Kills it, as when a machine fails."""
        self.process.kill()
        self.process.wait()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.is_running():
            self.stop()
        self.share.remove()

    def cpu_seconds(self):
        """CPU time of the process."""
        # The name of the program may hold spaces and brackets; user and system time are the 14th and 15th field of all.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self):
        """Every sample of /metrics, by name with its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def images(self, version=None):
        """Images with a decision since its start, of one version of the model or of all."""
        wanted = 'sagate_images_total{'
        return sum(value for name, value in self.metrics().items()
                   if name.startswith(wanted) and (version is None or f'version="{version}"' in name))
