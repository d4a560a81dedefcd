"""files/fetch-models.sh as the init container runs it, with rclone: over HTTP, from an S3 bucket and from a GCS bucket, which a server here
stands for, and with everything that must stop it."""

import hashlib
import http.server
import io
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.parse

from chart import CHART, ROOT, Wrong, objects_of, of_kind, odd

RCLONE = pathlib.Path(sys.executable).parent / "rclone"


def archive(files, mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Store(http.server.BaseHTTPRequestHandler):
    """What a web server, S3 and GCS say of one object, as far as rclone asks to read it."""

    objects = {}

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        if path.startswith("/storage/v1/b/") and "alt=media" not in url.query:
            # GCS describes an object in JSON, and gives it at the link that is named there.
            bucket, name = path.removeprefix("/storage/v1/b/").split("/o/", 1)
            data = self.objects.get(f"/{bucket}/{name}")
            if data is not None:
                described = {"name": name, "bucket": bucket, "size": str(len(data)), "updated": "2026-01-01T00:00:00Z",
                             "mediaLink": f"http://{self.headers['Host']}/{bucket}/{name}"}
                return self.send(200, json.dumps(described).encode(), "application/json", body)
        data = self.objects.get(path)
        return self.send(404, b"", "text/plain", body) if data is None else self.send(200, data, "application/x-tar", body)

    def send(self, code, data, kind, body):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(data)


def shells():
    """The system's shell with its tools, and busybox with its own, as in the image of rclone."""
    found = {"sh": shutil.which("sh")}
    if (ROOT / ".tools" / "busybox").exists():
        found["busybox"] = str(ROOT / ".tools" / "busybox")
    return found


def run(shell, folder, lines, port):
    """The script with this list; its exit code, what it said, and the files that came."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    # As after a try that was cut off.
    (folder / "models" / "old").mkdir()
    (folder / "models" / "old" / "half").write_text("of a model")
    (folder / "archives.txt").write_text("".join(f"{line}\n" for line in lines))
    environment = {
        "PATH": f"{folder / 'bin'}" + ("" if shell == "busybox" else ":/usr/bin:/bin"),
        "RCLONE_CONFIG": str(folder / "rclone.conf"), "RCLONE_RETRIES": "1",
        "RCLONE_LOW_LEVEL_RETRIES": "1", "RCLONE_CACHE_DIR": str(folder / "cache"), "HOME": "/",
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_S3_ENDPOINT": f"http://127.0.0.1:{port}", "RCLONE_S3_PROVIDER": "Minio", "RCLONE_S3_FORCE_PATH_STYLE": "true",
        "RCLONE_GCS_ENDPOINT": f"http://127.0.0.1:{port}/storage/v1/", "RCLONE_GCS_ANONYMOUS": "true",
    }
    (folder / "bin").mkdir()
    os.symlink(RCLONE, folder / "bin" / "rclone")
    program = shells()[shell]
    if shell == "busybox":
        for tool in ("cut", "find", "gzip", "rm", "sh", "sha256sum", "tar"):
            os.symlink(program, folder / "bin" / tool)
    script = CHART / "files" / "fetch-models.sh"
    command = [program, *(["sh"] if shell == "busybox" else []), str(script), str(folder / "archives.txt"), str(folder / "models")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    came = {str(path.relative_to(folder / "models")) for path in (folder / "models").rglob("*") if path.is_file()}
    return done.returncode, done.stdout + done.stderr, came


def check(say):
    first = archive({"t1-brain/1/manifest.toml": b"a", "t1-brain/1/weights.safetensors": b"b" * 70000}, "w:gz")
    second = archive({"t1-nuclei/1/manifest.toml": b"c"}, "w")
    sums = {"first": hashlib.sha256(first).hexdigest(), "second": hashlib.sha256(second).hexdigest()}
    Store.objects = {"/bucket/deep/first.tar.gz": first, "/bucket/second.tar": second}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    wanted = {"t1-brain/1/manifest.toml", "t1-brain/1/weights.safetensors", "t1-nuclei/1/manifest.toml"}
    good = {
        "http": f"http://127.0.0.1:{port}/bucket/",
        "s3": "s3://bucket/",
        "gs": "gs://bucket/",
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder) / "run"
            for shell, (name, url) in itertools.product(shells(), good.items()):
                lines = [f"{sums['first']} {url}deep/first.tar.gz", f"{sums['second']} {url}second.tar"]
                code, said, came = run(shell, folder, lines, port)
                if code != 0 or came != wanted:
                    raise Wrong(f"fetch-models.sh over {name} in {shell}: exit code {code}, files {sorted(came)}\n{said}")
            bad = {
                "another sum": ([f"{sums['second']} {good['http']}deep/first.tar.gz"], "its SHA-256 is"),
                "an object that is not there": ([f"{sums['first']} {good['s3']}none.tar.gz"], "none.tar.gz"),
                "an unknown store": ([f"{sums['first']} ftp://bucket/first.tar.gz"], "not s3://"),
                "no archive": ([f"{hashlib.sha256(b'x').hexdigest()} {good['http']}x.tar.gz"], ""),
            }
            Store.objects["/bucket/x.tar.gz"] = b"x"
            for shell, (name, (lines, words)) in itertools.product(shells(), bad.items()):
                code, said, came = run(shell, folder, lines, port)
                if code == 0 or words not in said or came - {".archive"}:
                    raise Wrong(f"fetch-models.sh with {name} in {shell}: exit code {code}, files {sorted(came)}\n{said}")
    finally:
        server.shutdown()
    # What the pod hands it.
    [workload] = of_kind(objects_of(odd()["models from three stores"]), "Deployment")
    [fetch] = workload["spec"]["template"]["spec"]["initContainers"]
    version = fetch["image"].rsplit(":", 1)[1]
    installed = subprocess.run([RCLONE, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if installed != f"rclone v{version}":
        raise Wrong(f"values.yaml has rclone {version}, and the check ran with {installed}: models.download.image.tag and .ci/helm-check must agree")
    say(f"fetch-models.sh: {len(good)} stores read, {len(bad)} faults stop it ({installed}; in {' and '.join(shells())})"
        + ("" if "busybox" in shells() else "; NOT CHECKED in busybox, which is not there"))
