"""Writes stubs of NVIDIA's libraries into the folder of PyTorch's: every function that PyTorch links to, under its symbol version, each a
trap. They let the CUDA build of PyTorch be imported on a machine without a GPU; nothing there calls them."""

import collections
import pathlib
import subprocess
import sys

USERS = ["libtorch_cuda.so", "libtorch_python.so", "libtorch_nvshmem.so"]
# Library, and how the functions begin that PyTorch takes from it without a symbol version.
LIBRARIES = {
    "libcublas.so.13": None,
    "libcublasLt.so.13": None,
    "libcudnn.so.9": None,
    "libcufft.so.12": None,
    "libcufile.so.0": "cuFile",
    "libcurand.so.10": "curand",
    "libcusparse.so.12": None,
    "libcusparseLt.so.0": "cusparseLt",
    "libnccl.so.2": "nccl",
    "libnvshmem_host.so.3": "nvshmem",
}
VERSIONS = {library: library for library in LIBRARIES} | {"NVSHMEM": "libnvshmem_host.so.3"}


def home(name, version):
    if version:
        return VERSIONS.get(version)
    return next((library for library, prefix in LIBRARIES.items() if prefix and name.startswith(prefix)), None)


folder = pathlib.Path(sys.argv[1])
functions, version_of = collections.defaultdict(set), {}
for user in USERS:
    listing = subprocess.run(["nm", "-D", "--undefined-only", folder / user], check=True, capture_output=True, text=True)
    for line in listing.stdout.splitlines():
        name, _, version = line.split()[-1].partition("@")
        library = home(name, version)
        if library:
            functions[library].add(name)
            if version:
                version_of[library] = version

for library in LIBRARIES:
    code = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(functions[library]))
    flags = [f"-Wl,-soname,{library}"]
    if library in version_of:
        script = folder / "stub.map"
        script.write_text(f"{version_of[library]} {{ global: *; }};\n")
        flags.append(f"-Wl,--version-script={script}")
    command = ["cc", "-shared", "-fPIC", "-w", "-x", "c", "-", *flags, "-o", folder / library]
    subprocess.run(command, input=code, text=True, check=True)
