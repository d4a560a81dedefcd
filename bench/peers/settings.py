"""The compared servers and their configurations."""

import dataclasses
import hashlib
import pathlib
import shutil

import graph

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENVS = ROOT / "target" / "bench-peers"
BUNDLED = ROOT / "models" / "t1-brain" / "1"
SAGATE = ROOT / "target" / "release" / "sagate"
THREADS = 2

TITLES = {
    "sagate": "sagate",
    "triton": "Triton (PyTriton)",
    "ort": "ONNX Runtime, gRPC",
    "litserve": "LitServe",
    "mosec": "mosec",
    "bentoml": "BentoML",
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One server to compare."""

    peer: str
    # "none", "published" (argmin), or "compared" (`<` in its place). sagate takes mu in every pass.
    qc: str
    # PyTorch's: "eager", or "frozen" (TorchScript, batch norm folded, channels last). sagate's: what convolves, "libtorch" or "winograd".
    form: str = ""
    instances: int = 1

    @property
    def threads(self):
        """Of each instance: together as many as there are to share."""
        return THREADS // self.instances

    @property
    def name(self):
        return "-".join(filter(None, [self.peer, self.form, self.qc, f"{self.instances}x{self.threads}"]))

    @property
    def setup(self):
        """Description."""
        forms = {"eager": "PyTorch, eager", "frozen": "PyTorch, frozen", "libtorch": "default configuration", "winograd": "Winograd"}
        form = forms.get(self.form, "")
        return ", ".join(filter(None, [form, f"{self.instances} x {self.threads} threads"]))

    def command(self, model, port):
        """The program with its arguments; the port after it is free as well."""
        if self.peer == "sagate":
            places = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{port + 1}"]
            model = ["--model", "bench", "--models", str(model), "--threads", str(THREADS)]
            return [str(SAGATE), "--log", "error", "--convolutions", self.form, *model, "serve", *places]
        return [str(VENVS / self.peer / "bin" / "python"), f"{ROOT}/bench/peers/serve_{self.peer}.py", *self.arguments(model, port)]

    def arguments(self, model, port):
        """Arguments of the baseline servers."""
        weights = BUNDLED / "weights.safetensors"
        if self.peer == "ort":
            weights = f"{model}/{'probability' if self.qc == 'none' else 'taps'}.onnx"
        form = ["--form", self.form] if self.form else []
        qc = ["--weights", str(weights), "--port", str(port), "--qc", self.qc]
        return [*qc, *form, "--instances", str(self.instances), "--threads", str(self.threads)]


def everyone():
    """Every server of a full run."""
    settings = [Setting("sagate", "published", form) for form in ["libtorch", "winograd"]]
    for qc in ["none", "published"]:
        settings += [Setting("triton", qc, form) for form in ["eager", "frozen"]]
        settings += [Setting("ort", qc, instances=instances) for instances in [1, THREADS]]
        settings += [Setting(peer, qc, "frozen") for peer in ["litserve", "mosec", "bentoml"]]
    return settings + [Setting("triton", "compared", "frozen"), Setting("ort", "compared")]


MANIFEST = """\
format = 1
name = "bench"
version = 1
description = "t1-brain's weights for images that are prepared already"
licence = "MIT OR Apache-2.0, as sagate itself; made from data under the terms in docs/data.md"
preprocessing = []

[architecture]
kind = "unet2d"
in_channels = 1
classes = 1
base_width = 16

[input]
channels = ["T1"]

[[classes]]
name = "brain"
colour = [0, 158, 115]

[mu]
layers = [17, 18]

[provenance]
data = "see t1-brain"
command = "bench/peers"
seed = 1
date = "2026-11-23"
loss = "online"
"""


def write_model(folder):
    """The bundled weights as a model without preprocessing, in `folder`/bench/1, and as ONNX graphs beside it."""
    place = pathlib.Path(folder) / "bench" / "1"
    place.mkdir(parents=True)
    shutil.copy(BUNDLED / "weights.safetensors", place)
    (place / "manifest.toml").write_text(MANIFEST)
    names = ["manifest.toml", "weights.safetensors"]
    sums = [f"{hashlib.sha256((place / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (place / "SHA256SUMS").write_text("".join(sums))
    for name, taps in [("probability", False), ("taps", True)]:
        written = graph.unet(graph.read(BUNDLED / "weights.safetensors"), taps=taps)
        (pathlib.Path(folder) / f"{name}.onnx").write_bytes(written)


def installed_bytes(peer):
    """What has to be on the disk beside Python and libc. Of PyTorch only what a CPU needs is counted, as PyPI's wheel holds CUDA as well."""
    if peer == "sagate":
        libraries = (ROOT / ".libtorch" / "lib").glob("*.so*")
        return sum(path.stat().st_size for path in [SAGATE, *libraries])
    total = size(VENVS / peer, ["pip", "setuptools", "pkg_resources"])
    if peer != "ort":
        cuda = ["nvidia", "libtorch_cuda", "libc10_cuda", "libcaffe2_nvrtc", "libtorch_nvshmem", "libcu", "libnccl", "libnvshmem"]
        total += size(VENVS / "torch", [*cuda, "setuptools", "pkg_resources"])
    return total


def size(folder, without):
    """Bytes of the files below a folder, each once, but those with a part of their path that begins with one of `without`."""
    seen, total = set(), 0
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_symlink() or not path.is_file() or any(part.startswith(tuple(without)) for part in parts):
            continue
        about = path.stat()
        if about.st_ino not in seen:
            seen.add(about.st_ino)
            total += about.st_size
    return total
