"""A fixed share of the cores for a process, by Linux control groups, version 1 or 2."""

import os
from pathlib import Path

# Short, so that a replica that has used its share waits for no more than this; a share that is too small for it, as no kernel takes less
# than a millisecond, has a longer one.
PERIOD_US, LONG_PERIOD_US, LEAST_QUOTA_US = 10_000, 1_000_000, 1_000


class Share:
    """A control group that gives `cores` of a core to those that join it. Without one, `kind` says so and nothing is limited."""

    def __init__(self, name, cores):
        self.folder, self.kind = None, "none: no control group can be written to, replicas share the cores without limit"
        for kind, root in (("cgroup v1", Path("/sys/fs/cgroup/cpu")), ("cgroup v2", Path("/sys/fs/cgroup"))):
            folder = root / f"sagate-{os.getpid()}-{name}"
            try:
                if kind == "cgroup v2" and "cpu" not in (root / "cgroup.subtree_control").read_text().split():
                    continue
                folder.mkdir()
                self.folder, self.kind = folder, kind
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
        period = PERIOD_US if cores * PERIOD_US >= LEAST_QUOTA_US else LONG_PERIOD_US
        quota = int(cores * period)
        if self.kind == "cgroup v2":
            (self.folder / "cpu.max").write_text(f"{quota} {period}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(period))
            (self.folder / "cpu.cfs_quota_us").write_text(str(quota))

    def join(self):
        """Called in the new process before it becomes the program."""
        if self.folder is not None:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        if self.folder is not None:
            self.folder.rmdir()
