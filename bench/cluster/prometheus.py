"""A Prometheus that scrapes the replicas."""

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from ports import free_ports


class Prometheus:
    def __init__(self, folder, admin_ports):
        self.folder, self.port, self.process = folder, free_ports(1)[0], None
        targets = "".join(f"          - 127.0.0.1:{port}\n" for port in admin_ports)
        (folder / "prometheus.yml").write_text(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: sagate\n    static_configs:\n      - targets:\n" + targets)

    def start(self):
        self.process = subprocess.Popen(
            [Path(".tools/prometheus").resolve(), f"--config.file={self.folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={self.folder / 'prometheus'}", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.folder / "prometheus.log", "w"))

    def ask(self, query):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.parse.quote(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def up(self):
        """Number of replicas that it scrapes successfully."""
        found = self.ask('sum(up{job="sagate"})')
        return int(float(found[0]["value"][1])) if found else 0

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
