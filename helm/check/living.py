"""A real sagate with rendered settings: what the chart makes of probes, test pod and end is done to it by hand, as a kubelet would.

Paths and ports of the pod become those of a folder here, and names of Services become `localhost`; nothing else of what was rendered is changed.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from chart import ROOT, Wrong, objects_of, odd, of_kind, settings_of, values_of

START_SECONDS = 120


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def certificate(folder):
    """An authority and a certificate for localhost, as in a Secret of type kubernetes.io/tls."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", "/CN=sagate", "-keyout", "tls.key", "-out", "tls.csr")
    (folder / "ext").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n")
    signed = ["-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
    openssl("x509", "-req", *signed, "-out", "tls.crt")


class Pod:
    """The pod of some values, as a process."""

    def __init__(self, sagate, values, folder):
        self.sagate, self.objects = sagate, objects_of(values)
        [workload] = of_kind(self.objects, "Deployment", "StatefulSet")
        self.spec = workload["spec"]["template"]["spec"]
        [self.container] = self.spec["containers"]
        etc = folder / "etc"
        self.ports = dict(zip([port["containerPort"] for port in self.container["ports"]], free_ports(3)))
        self.places = {"/etc/sagate": str(etc), "/models": str(folder / "models"), "/var/log/sagate": str(folder / "log")}
        for name in ("etc/tls", "etc/ca", "etc/tokens", "log"):
            (folder / name).mkdir(parents=True)
        certificate(etc / "tls")
        shutil.copy(etc / "tls" / "ca.crt", etc / "ca" / "ca.crt")
        # One model is enough, and starts sooner.
        (folder / "models").mkdir()
        os.symlink(ROOT / "models" / "t1-brain", folder / "models" / "t1-brain")
        token = json.loads(subprocess.run([sagate, "--json", "token", "reader", "--role", "infer"], check=True, capture_output=True).stdout)
        (etc / "tokens" / "tokens.txt").write_text(token["line"] + "\n")
        (etc / "token").write_text(token["token"])
        self.etc = etc
        text = self.here(settings_of(self.objects))
        (etc / "sagate.toml").write_text(text)
        mounted = {mount["mountPath"] for mount in self.container["volumeMounts"]}
        for path in re.findall(r'"(/(?:etc/sagate|var/log)[^"]*)"', settings_of(self.objects)):
            if not any(path.startswith(f"{place}/") for place in mounted):
                raise Wrong(f"sagate.toml names {path}, and nothing is mounted there: {sorted(mounted)}")

    def here(self, text):
        for place, other in self.places.items():
            text = re.sub(rf"(?<![\w/]){place}(?![\w])", other, text)
        for port, other in self.ports.items():
            text = re.sub(rf":{port}\b", f":{other}", text)
        return text.replace("0.0.0.0:", "127.0.0.1:")

    def start(self):
        # One thread: other work goes on beside this.
        self.log = open(self.etc / "log", "w+")
        words = [self.sagate, "--threads", "1", *map(self.here, self.container["args"])]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log)

    def probe(self, name):
        """Whether a probe of the container passes."""
        probe = self.container[name]
        if "httpGet" in probe:
            ask = probe["httpGet"]
            [port] = [self.ports[port["containerPort"]] for port in self.container["ports"] if port["name"] == ask["port"]]
            # A kubelet does not look whose certificate it is.
            context = ssl._create_unverified_context() if ask["scheme"] == "HTTPS" else None
            try:
                url = f"{ask['scheme'].lower()}://127.0.0.1:{port}{ask['path']}"
                return urllib.request.urlopen(url, timeout=probe["timeoutSeconds"], context=context).status == 200
            except (urllib.error.URLError, OSError):
                return False
        if "grpc" in probe:
            words = ["health", f"--server=http://127.0.0.1:{self.ports[probe['grpc']['port']]}", f"--service={probe['grpc']['service']}"]
        else:
            [program, *words] = map(self.here, probe["exec"]["command"])
            if program != "/usr/bin/sagate":
                raise Wrong(f"{name}: the image has only /usr/bin/sagate, and {program} is asked for")
        return subprocess.run([self.sagate, *words], capture_output=True, timeout=60).returncode == 0

    def wait_for(self, name):
        end = time.monotonic() + START_SECONDS
        while not self.probe(name):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Wrong(f"{name} does not pass, exit code {self.process.poll()}: {self.said()}")
            time.sleep(0.2)

    def said(self):
        self.log.flush()
        return (self.etc / "log").read_text()[-3000:]

    def run(self, *words):
        return subprocess.run([self.sagate, *words], capture_output=True, text=True, timeout=120)

    def tested(self):
        """What the pod of `helm test` says."""
        [test] = of_kind(self.objects, "Pod")
        [container] = test["spec"]["containers"]
        args = [re.sub(r"(https?)://[a-z.-]+:", r"\1://localhost:", self.here(arg)) for arg in container["args"]]
        done = self.run(*args)
        return done.returncode, done.stdout + done.stderr


def lives(name, pod, segments):
    pod.start()
    try:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            pod.wait_for(probe)
        code, said = pod.tested()
        if code != 0 or "SERVING" not in said:
            raise Wrong(f"helm test: exit code {code}: {said}")
        segments(pod)
        pod.process.send_signal(signal.SIGTERM)
        code = pod.process.wait(timeout=pod.spec["terminationGracePeriodSeconds"])
        if code != 0:
            raise Wrong(f"exit code {code} after SIGTERM: {pod.said()}")
        if pod.probe("livenessProbe") or pod.tested()[0] == 0:
            raise Wrong("a process that ended passes its probes")
    except Wrong as error:
        raise Wrong(f"{name}: {error}") from error
    finally:
        pod.process.kill()
        pod.process.wait()
        pod.log.close()


def check(say, sagate):
    image = str(sorted((ROOT / "samples" / "t1-brain" / "images").glob("*.png"))[0])
    grpc = lambda pod, scheme: f"{scheme}://localhost:{pod.ports[50051]}"

    def segment(pod, scheme, *words):
        return pod.run("segment", "--server", grpc(pod, scheme), *words, image)

    def open_to_all(pod):
        done = segment(pod, "http")
        if done.returncode not in (0, 3):
            raise Wrong(f"segment: {done.stderr}")
        served = urllib.request.urlopen(f"http://127.0.0.1:{pod.ports[8000]}/v2/health/ready", timeout=5)
        if served.status != 200:
            raise Wrong("/v2/health/ready does not answer")

    def with_token(pod):
        ca = ["--ca", str(pod.etc / "tls" / "ca.crt")]
        done = segment(pod, "https", *ca)
        if done.returncode in (0, 3) or "authorization" not in done.stderr:
            raise Wrong(f"segment without a token: exit code {done.returncode}: {done.stdout}{done.stderr}")
        done = segment(pod, "https", *ca, "--token-file", str(pod.etc / "token"))
        if done.returncode not in (0, 3):
            raise Wrong(f"segment with a token: {done.stderr}")

    def audited(pod):
        with_token(pod)
        end = time.monotonic() + 10
        file = pathlib.Path(pod.places["/var/log/sagate"]) / "audit.jsonl"
        while not file.exists() or '"client":"reader"' not in file.read_text():
            if time.monotonic() > end:
                raise Wrong("the audit log has no line of the caller")
            time.sleep(0.1)

    cases = [
        ("values-dev.yaml", values_of("dev"), open_to_all),
        ("values-cpu.yaml", values_of("cpu"), audited),
        ("odd: one model's readiness", odd()["one model's readiness"], lambda pod: None),
        ("odd: one model's readiness with TLS", odd()["one model's readiness with TLS"], lambda pod: None),
    ]
    for name, values, segments in cases:
        with tempfile.TemporaryDirectory() as folder:
            lives(name, Pod(sagate, values, pathlib.Path(folder)), segments)
    say(f"{len(cases)} pods as processes: probes over HTTP, HTTPS, gRPC and exec, `helm test`, tokens, audit log, SIGTERM within the grace")
