"""docs/operate/kubernetes.md: every block of commands is run here, or marked as needing a cluster.

    ```sh           is run, in a folder of its own, with `helm` (Helm's engine, see helm.py), `sagate`, openssl and what sh has
    ```sh cluster   needs a cluster; but what it gives to `helm install` and `helm upgrade` is rendered here, with the values before it
    ```yaml         is read; where the first line names a file, it is that file for what follows; an object is held against its schema
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import yaml

from chart import HERE, ROOT, Wrong
from objects import VERSIONS, fits_schema

PAGE = ROOT / "docs" / "operate" / "kubernetes.md"


def blocks(text):
    """Each fenced block: the line it begins at, its info string, its lines."""
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield text[: found.start()].count("\n") + 1, found.group(1).strip(), found.group(2)


def commands(block):
    """Command lines of a block, those that end in a backslash joined."""
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def check(say, sagate):
    text = PAGE.read_text()
    ran = marked = rendered = left = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tree = folder / "tree"
        tree.mkdir()
        for name in ("helm", "deploy", "models", "samples", "sagate.example.toml"):
            os.symlink(ROOT / name, tree / name)
        (folder / "bin").mkdir()
        shim = folder / "bin" / "helm"
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(HERE / "helm.py"))} "$@"\n')
        shim.chmod(0o755)
        if sagate:
            os.symlink(shutil.which(sagate), folder / "bin" / "sagate")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SAGATE")}
        environment["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"

        def run(command, number):
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                raise Wrong(f"docs/operate/kubernetes.md line {number}: exit code {done.returncode}\n{command}\n{done.stdout[-1500:]}{done.stderr[-3000:]}")

        for number, info, block in blocks(text):
            kind, *marks = info.split()
            if kind == "yaml":
                # A block of values that names its file in the first line is that file for the commands after it.
                try:
                    documents = list(yaml.safe_load_all(block))
                except yaml.YAMLError as error:
                    raise Wrong(f"docs/operate/kubernetes.md line {number}: {error}") from error
                for it in documents:
                    if "kind" in it:
                        fits_schema(it, VERSIONS)
                named = re.match(r"# ([a-z0-9-]+\.yaml)\n", block)
                if named:
                    (tree / named.group(1)).write_text(block)
            elif kind == "sh" and not marks:
                if not sagate and re.search(r"^\s*sagate |[|(]\s*sagate ", block, re.M):
                    left += 1
                    continue
                run(block, number)
                ran += 1
            elif kind == "sh" and marks == ["cluster"]:
                marked += 1
                for command in commands(block):
                    words = shlex.split(command, comments=True)
                    if words[:1] == ["helm"] and {"install", "upgrade"} & set(words[1:3]):
                        run(shlex.join(["helm", "as-template", *words[1:]]), number)
                        rendered += 1
            else:
                raise Wrong(f"docs/operate/kubernetes.md line {number}: ```{info}: `sh` is run, `sh cluster` needs a cluster, `yaml` is values")
    say(f"docs/operate/kubernetes.md: {ran} blocks of commands run, {marked} need a cluster ({rendered} of their helm commands rendered)"
        + (f"; {left} NOT CHECKED for want of a sagate" if left else ""))
    if ran + left == 0 or rendered == 0:
        raise Wrong("docs/operate/kubernetes.md: no command was found to run")
