"""A server in processes of its own: started, watched, stopped."""

import asyncio
import os
import pathlib
import signal
import socket
import subprocess
import time

from clients import CLIENTS
from settings import VENVS

START_LIMIT, STOP_LIMIT = 120, 15
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


class Died(Exception):
    """A server that ended or did not answer in time."""


def free_port():
    """A port that is free with the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


class Server:
    """Use with `async with`: inside, `client` is connected and the first answer has come."""

    def __init__(self, setting, model, images):
        self.setting, self.model, self.images = setting, model, images
        self.peak_bytes, self.pids = 0, set()

    async def __aenter__(self):
        port = free_port()
        environment = os.environ | {
            "PEER_ARGUMENTS": " ".join(self.setting.arguments(self.model, port)),
            "OMP_NUM_THREADS": str(self.setting.threads),
            "MKL_NUM_THREADS": str(self.setting.threads),
            "PYTHONWARNINGS": "ignore",
            # Where Triton's parts are laid out: with the model, to go away with it.
            "PYTRITON_HOME": str(self.model),
            "PATH": f"{VENVS / self.setting.peer / 'bin'}:{os.environ['PATH']}",
        }
        if self.setting.peer == "sagate":
            del environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]
        self.log = open(VENVS / f"{self.setting.name}.log", "w")
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            self.setting.command(self.model, port),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=environment,
            cwd=VENVS,
            start_new_session=True,
        )
        try:
            await self.first_answer(port, begun)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - begun
        self.watcher = asyncio.create_task(self.watch())
        return self

    async def first_answer(self, port, begun):
        while time.perf_counter() - begun < START_LIMIT:
            if self.process.poll() is not None:
                raise Died(f"ended with {self.process.returncode}; see {self.log.name}")
            with socket.socket() as probe:
                listening = probe.connect_ex(("127.0.0.1", port)) == 0
            if listening:
                # A new one each time: a channel that was refused waits before it tries again.
                self.client = CLIENTS[self.setting.peer](port, self.images)
                try:
                    await self.client.ask(0)
                    return
                except Exception as error:
                    last = error
                    await self.client.close()
            await asyncio.sleep(0.02)
        raise Died(f"no answer within {START_LIMIT} s; see {self.log.name}; last: {last if listening else 'not listening'}")

    async def __aexit__(self, *_):
        self.watcher.cancel()
        await self.client.close()
        self.stop()

    def stop(self):
        """Ends what was started here, by its ids: politely, then not."""
        self.pids |= set(tree(self.process.pid))
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in self.pids:
            # Children of ours are the only ones in our session; a number that was given away again is not.
            try:
                if os.getsid(pid) == self.process.pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.log.close()

    async def watch(self):
        """Keeps the peak of the resident memory of all processes; pages that several share count in each."""
        while True:
            pids = tree(self.process.pid)
            self.pids |= set(pids)
            self.peak_bytes = max(self.peak_bytes, sum(resident(pid) for pid in pids))
            await asyncio.sleep(0.2)

    def cpu_seconds(self):
        """What all processes took of the processor until now."""
        return sum(cpu(pid) for pid in tree(self.process.pid))


def tree(pid):
    """A process and its descendants."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += tree(int(child))
    return found


def resident(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def cpu(pid):
    """User, system, and what children took that have ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICK
