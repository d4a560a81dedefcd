"""The same model under another version number, to test a roll-out."""

import hashlib
import re


def renumber(folder, version):
    """Changes the version in every file of a model's folder that names it, and the checksums."""
    manifest = folder / "manifest.toml"
    manifest.write_text(re.sub(r"(?m)^version = \d+$", f"version = {version}", manifest.read_text(), count=1))
    calibration = folder / "calibration.json"
    calibration.write_text(re.sub(r'"model_version": \d+', f'"model_version": {version}', calibration.read_text(), count=1))
    sums = folder / "SHA256SUMS"
    names = [line.split(maxsplit=1)[1].lstrip("*") for line in sums.read_text().splitlines()]
    sums.write_text("".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names))
