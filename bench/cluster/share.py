"""A fixed share of the cores for a process: by the control groups of Linux, whichever of their two forms can be written to."""

import os
from pathlib import Path

# Short, so that a replica that has used its share waits for no more than this.
PERIOD_US = 10_000


class Share:
    """A control group that gives `cores` of a core to those that join it. Without one, `kind` says so and nothing is limited."""

    def __init__(self, name, cores):
        self.folder, self.kind = None, "none: no control group can be written to, replicas share the cores as they come"
        quota = int(cores * PERIOD_US)
        for kind, root, settings in (
            ("cgroup v1", Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota}),
            ("cgroup v2", Path("/sys/fs/cgroup"), {"cpu.max": f"{quota} {PERIOD_US}"}),
        ):
            folder = root / f"sagate-{os.getpid()}-{name}"
            try:
                if kind == "cgroup v2" and "cpu" not in (root / "cgroup.subtree_control").read_text().split():
                    continue
                folder.mkdir()
                self.folder, self.kind, self.settings = folder, kind, settings
                self.set(cores)
                return
            except OSError:
                if folder.exists():
                    folder.rmdir()
                self.folder = None

    def set(self, cores):
        """Changes the share."""
        if self.folder is None:
            return
        quota = int(cores * PERIOD_US)
        for name, value in self.settings.items():
            if name != "cpu.cfs_period_us":
                value = f"{quota} {PERIOD_US}" if name == "cpu.max" else quota
            (self.folder / name).write_text(str(value))

    def join(self):
        """Called in the new process before it becomes the program."""
        if self.folder is not None:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        if self.folder is not None:
            self.folder.rmdir()
