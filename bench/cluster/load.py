"""A load from sagate's own load test."""

import json
import subprocess

from replica import SAGATE


def flags(options):
    """Options as command-line flags."""
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


class Load:
    """Runs in the background; `report` waits for its end."""

    def __init__(self, url, seconds, out=None, **options):
        out = ["--out", out] if out else []
        self.process = subprocess.Popen(
            [SAGATE, "--json", "loadtest", "--server", url, "--seconds", str(seconds), "--connections", "4", *flags(options), *out],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def report(self):
        printed, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise RuntimeError(f"the load test ended with {self.process.returncode}: {errors}")
        return json.loads(printed)


def answers(report):
    """Sent, answered and lost requests of a report; inconsistent responses count as lost."""
    codes = report["all"]["codes"]
    requests = report["all"]["requests"]
    good = codes.get("OK", 0) - report["all"]["invalid_responses"] - report["all"]["inconsistent_responses"]
    return {"sent": requests, "answered": good, "lost": requests - good + report["unfinished"], "codes": codes}
