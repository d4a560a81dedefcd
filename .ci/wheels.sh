# Sourced by the scripts beside it: downloads pinned wheels into a folder, and takes files out of them.

# download_wheels FOLDER "REQUIREMENT SHA256"...: wheels that are there with the right sum are left alone.
download_wheels() {
    local folder=$1 line requirement sum
    shift
    mkdir -p "$folder"
    for line in "$@"; do
        read -r requirement sum <<<"$line"
        if ! (cd "$folder" && sha256sum -- *.whl 2>/dev/null) | grep -q "^$sum "; then
            echo "downloading $requirement"
            # The wheel is chosen by the tags below, whatever python3 runs pip: its Python part is never used.
            printf '%s --hash=sha256:%s\n' "$requirement" "$sum" >"$folder/requirement.txt"
            python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
                --implementation cp --abi cp311 --abi none --platform manylinux_2_34_x86_64 --platform manylinux_2_31_x86_64 \
                --platform manylinux_2_28_x86_64 \
                --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 \
                --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2010_x86_64 \
                --platform manylinux1_x86_64 --dest "$folder" --requirement "$folder/requirement.txt"
        fi
    done
}

# take_from_wheels FOLDER TARGET PATTERN=PLACE...: every file of the wheels whose name matches the pattern (fnmatch) goes
# to TARGET/PLACE, to TARGET/PLACE/NAME where PLACE ends in a slash, and under its own path below `torch/` where PLACE is
# empty. The first pattern that fits decides; one that no file fits is an error.
take_from_wheels() {
    python3 - "$@" <<'PYTHON'
import fnmatch, pathlib, shutil, sys, zipfile

folder, target, *rules = sys.argv[1:]
rules = [rule.split("=", 1) for rule in rules]
used = set()
for wheel in sorted(pathlib.Path(folder).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            fitting = [rule for rule in rules if fnmatch.fnmatchcase(name, rule[0])]
            if not fitting or name.endswith("/"):
                continue
            pattern, place = fitting[0]
            used.add(pattern)
            if place == "":
                place = name.removeprefix("torch/")
            elif place.endswith("/"):
                place += name.rsplit("/", 1)[-1]
            out = pathlib.Path(target) / place
            out.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(out, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 22)
missing = [pattern for pattern, _ in rules if pattern not in used]
if missing:
    sys.exit(f"not in the wheels: {missing}")
PYTHON
}
