"""Holds sagate's NIfTI reader and mask writer against nibabel and SimpleITK.

    matrix.py make DIR    writes files of every kind into DIR, and DIR/cases.json, the list of them
    matrix.py check DIR   compares what the test wrote into DIR/read with what nibabel and SimpleITK find

For each case NAME the test leaves `NAME.json` (what was read, or why it was refused), `NAME.f32` (the values), `NAME.mask.nii.gz`
and, for volumes, `NAME.PLANE-INDEX.nii.gz` (a mask of one slice). Labels follow a formula of the place in RAS+ order, so that a mask
that is turned or moved by a voxel is found.
"""

import gzip
import itertools
import json
import logging
import re
import struct
import sys
import warnings
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

SHAPE = (5, 4, 3)
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}


def oblique(seed):
    """Steps of 0.7, 1.5 and 3 mm along axes that are turned a little, and an origin."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(np.eye(3) + 0.1 * rng.standard_normal((3, 3)))
    turn *= np.sign(np.diag(turn))
    if np.linalg.det(turn) < 0:
        turn[:, 2] *= -1
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 1.5, 3.0])
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


class Maker:
    """Writes cases."""

    def __init__(self, folder):
        self.folder, self.cases = Path(folder), []

    def case(self, name, data, affine=None, codes=(0, 1), qform=None, version=1, order="<", container="nii", edit=None,
             extension=False, refused=None):
        affine = oblique(1) if affine is None else affine
        single = nib.Nifti1Image if version == 1 else nib.Nifti2Image
        kind = {1: (nib.Nifti1Image, nib.Nifti1Pair), 2: (nib.Nifti2Image, nib.Nifti2Pair)}[version][container.startswith("pair")]
        header = kind.header_class(endianness=order)
        header.set_data_dtype(data.dtype)
        image = kind(data, affine, header, dtype=data.dtype)
        image.header.set_xyzt_units("mm")
        image.set_sform(affine, codes[1])
        image.set_qform(affine if qform is None else qform, codes[0])
        if extension:
            image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a comment of some length" * 9))
        files = {file: bytearray(bytes_) for file, bytes_ in self.serialised(image, container).items()}
        first = "hdr" if container.startswith("pair") else "nii"
        if edit is not None:
            size = 348 if version == 1 else 540
            edited = single.header_class(bytes(files[first][:size]), endianness=order, check=False)
            edit(edited)
            files[first][:size] = edited.binaryblock
        paths = {}
        for ending, content in files.items():
            packed = container.endswith(".gz")
            path = self.folder / f"{name}.{ending}{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))
            paths[ending] = path.name
        # A pair is read by the name of either file.
        read = paths["img"] if container.startswith("pair") and len(self.cases) % 2 else paths[first]
        self.add(name, read, paths[first], refused)

    @staticmethod
    def serialised(image, container):
        if not container.startswith("pair"):
            return {"nii": image.to_bytes()}
        holders = image.make_file_map({"header": None, "image": None})
        for holder in holders.values():
            holder.fileobj = BytesIO()
        image.to_file_map(holders)
        return {"hdr": holders["header"].fileobj.getvalue(), "img": holders["image"].fileobj.getvalue()}

    def add(self, name, read, load, refused=None):
        assert name not in {case["name"] for case in self.cases}, name
        self.cases.append({"name": name, "read": read, "load": load, "refused": refused})


def values(dtype, shape=SHAPE):
    rng = np.random.default_rng(sum(shape))
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(int(limits.min), -(2**53)), min(int(limits.max), 2**53)
    data = rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    data.flat[:2] = low, high
    return data


def make(folder):
    m = Maker(folder)
    types = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
    for dtype, order, version, container in itertools.product(types, "<>", (1, 2), ("nii", "nii.gz", "pair", "pair.gz")):
        name = f"{dtype}-{'little' if order == '<' else 'big'}-{version}-{container}"
        m.case(name, values(dtype), version=version, order=order, container=container)
    # Every way in which axes can lie, by the sform alone, the qform alone and both.
    for (order, flips), (form, codes) in itertools.product(
        itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)),
        {"sform": (0, 2), "qform": (1, 0), "both": (1, 1)}.items(),
    ):
        turn = np.zeros((4, 4))
        for axis, (world, flip) in enumerate(zip(order, flips)):
            turn[world, axis] = flip
        turn[3, 3] = 1
        affine = oblique(2) @ turn
        name = "axes-" + "".join(nib.aff2axcodes(affine)) + "-" + form
        m.case(name, values("i2"), affine, codes, version=1 + len(m.cases) % 2)
    # Every pair of codes, with transforms that differ.
    for q, s in itertools.product(range(5), range(5)):
        for shape in (SHAPE, SHAPE[:2]):
            m.case(f"codes-{q}{s}-{len(shape)}d", values("i2", shape), oblique(3), (q, s), qform=oblique(4))
    scalings = [(0, 0), (0, 7), (1, 0), (2, -7), (0.5, 3.25), (-1, 100), (1e-3, 1e3), (float("nan"), float("nan")),
                (float("nan"), 3), (1.1, 0.1), (3, 2**24)]
    for (index, (slope, inter)), dtype, version in itertools.product(enumerate(scalings), ("u1", "i2", "f4", "i4"), (1, 2)):
        def scale(header, slope=slope, inter=inter):
            header["scl_slope"], header["scl_inter"] = slope, inter
        m.case(f"scaled-{index}-{dtype}-{version}", values(dtype), version=version, edit=scale)
    def no_intercept(header):
        header["scl_slope"], header["scl_inter"] = 2, float("nan")
    m.case("scaled-nan-intercept", values("i2"), edit=no_intercept, refused="scl_inter")
    # Shapes.
    sagittal = np.array([[0, 0, 1.0, 5], [1.2, 0, 0, -100], [0, 0.8, 0, -70], [0, 0, 0, 1]])
    coronal = np.array([[-1.2, 0, 0, 80], [0, 0, 2, 11.0], [0, 0.8, 0, -70], [0, 0, 0, 1]])
    planes = {"axial": np.diag([1.2, -0.8, 2, 1]), "sagittal": sagittal, "coronal": coronal}
    for (plane, affine), codes, version, container in itertools.product(
        planes.items(), ((1, 1), (0, 2), (3, 0)), (1, 2), ("nii.gz", "pair")
    ):
        name = f"2d-{plane}-{codes[0]}{codes[1]}-{version}-{container}"
        m.case(name, values("i2", (6, 5)), affine, codes, version=version, container=container)
    for axis, codes, version in itertools.product(range(3), ((1, 1), (0, 1), (1, 0), (0, 0)), (1, 2)):
        shape = tuple(1 if it == axis else side for it, side in enumerate((6, 5, 4)))
        m.case(f"thin-{axis}-{codes[0]}{codes[1]}-{version}", values("f4", shape), codes=codes, version=version)
    for shape, version in itertools.product(((4, 3, 2, 2), (4, 3, 2, 5), (4, 3, 2, 1, 3), (4, 3, 2, 1), (4, 3, 2, 1, 1), (4, 3, 1, 3)), (1, 2)):
        m.case(f"channels-{'x'.join(map(str, shape))}-{version}", values("f4", shape), version=version)
    # Neither code is set: 2D, 3D, and with steps of any sign.
    for shape, steps in itertools.product((SHAPE, SHAPE[:2]), ((1, 1, 1), (0.5, 2, 3), (-0.5, 2, -3), (0, 2, 0))):
        def unplaced(header, steps=steps):
            header["pixdim"][1:4] = steps
        m.case(f"no-codes-{len(shape)}d-{'_'.join(map(str, steps))}", values("i2", shape), codes=(0, 0), edit=unplaced)
    # Header fields that other programs write.
    def field(**fields):
        def edit(header):
            for key, value in fields.items():
                header[key] = value
        return edit
    def pixdim(index, value):
        def edit(header):
            header["pixdim"][index] = value
        return edit
    m.case("qfac-0", values("i2"), codes=(1, 0), edit=pixdim(0, 0))
    m.case("pixdim-negative", values("i2"), codes=(1, 0), edit=pixdim(1, -0.7))
    for unit in ("micron", "meter", "unknown"):
        m.case(f"unit-{unit}", values("i2"), edit=lambda header, unit=unit: header.set_xyzt_units(unit, "sec"))
    for version, container in itertools.product((1, 2), ("nii", "nii.gz")):
        m.case(f"extension-{version}-{container}", values("i2"), version=version, container=container, extension=True)
        m.case(f"no-extension-{version}-{container}", values("u1"), version=version, container=container)
    offset(m)
    # 4D as writers of several modalities leave it, and series that say that they are one.
    four = values("i2", (4, 3, 2, 3))
    m.case("modalities-sec-1", four, edit=lambda h: h.set_xyzt_units("mm", "sec"))
    m.case("modalities-sec-0", four, edit=lambda h: (h.set_xyzt_units("mm", "sec"), pixdim(4, 0)(h)))
    m.case("series-step", four, edit=pixdim(4, 2.5), refused=r"dim\[4\] is 3 steps of a series: pixdim\[4\] is 2.5")
    m.case("series-msec", four, edit=lambda h: h.set_xyzt_units("mm", "msec"), refused="milliseconds")
    m.case("series-hz", four, edit=lambda h: h.set_xyzt_units("mm", "hz"), refused="hertz")
    m.case("series-slices", four, edit=field(slice_code=1), refused="slice_code is 1")
    m.case("series-duration", four, edit=field(slice_duration=0.1), refused="slice_duration")
    m.case("series-start", four, edit=field(toffset=3.0), refused="toffset is 3")
    m.case("series-intent", four, version=2, edit=field(intent_code=2001), refused="intent_code is 2001")
    m.case("channels-twice", values("i2", (4, 3, 2, 2, 2)), refused=r"dim\[4..\]")
    m.case("channels-on-6", values("i2", (4, 3, 2, 1, 1, 2)), refused=r"dim\[6\] is 2")
    # Voxels that are not read.
    for code, words in ((0, "unknown"), (1, "binary"), (32, "complex64"), (1536, "float128"), (1792, "complex128"),
                        (2048, "complex256"), (2304, "RGBA32")):
        refused = rf"datatype is {words} \({code}\)"
        m.case(f"type-{code}", values("i2"), edit=field(datatype=code), refused=refused)
    m.case("type-77", values("i2"), edit=field(datatype=77), refused="datatype is 77, which NIfTI does not define")
    colour = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    m.case("type-rgb", colour, refused=r"datatype is RGB24 \(128\)")
    for dtype, value in (("i8", 2**53 + 1), ("i8", -(2**60)), ("u8", 2**64 - 1)):
        data = values(dtype)
        data[1, 1, 1] = value
        m.case(f"beyond-{dtype}-{value}", data, refused=r"2\^53")
    data = values("f4")
    data[0, 0, 0] = np.nan
    m.case("not-finite", data, refused="NaN or infinite")
    analyze = nib.AnalyzeImage(values("i2"), None)
    nib.save(analyze, m.folder / "analyze.hdr")
    m.add("analyze", "analyze.hdr", "analyze.hdr", "Analyze 7.5")
    m.add("analyze-voxels", "analyze.img", "analyze.hdr", "Analyze 7.5")
    (m.folder / "cases.json").write_text(json.dumps(m.cases))
    print(len(m.cases), "cases")


def offset(m):
    """Voxels that begin later than they have to."""
    for version, gap in itertools.product((1, 2), (1, 13, 4096)):
        image = (nib.Nifti1Image if version == 1 else nib.Nifti2Image)(values("i2"), oblique(5))
        content = bytearray(image.to_bytes())
        begin = 352 if version == 1 else 544
        if version == 1:
            struct.pack_into("<f", content, 108, begin + gap)
        else:
            struct.pack_into("<q", content, 168, begin + gap)
        name = f"offset-{version}-{gap}"
        (m.folder / f"{name}.nii").write_bytes(content[:begin] + bytes(gap) + content[begin:])
        m.add(name, f"{name}.nii", f"{name}.nii")


def label(x, y, z):
    return (x * 3 + y * 5 + z * 7) % 11


def canonical(array, affine):
    """An array of three axes in RAS+ order, with its affine, as nibabel's `as_closest_canonical` has it."""
    orientation = nib.io_orientation(affine)
    turned = nib.apply_orientation(array, orientation)
    return turned, affine @ nib.orientations.inv_ornt_aff(orientation, array.shape[:3])


def full(affine):
    """The affine of a slice may say nothing of the third axis: any direction across will do."""
    affine = affine.copy()
    if not affine[:3, 2].any():
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
    return affine


def same_header(image, mask, shape):
    assert mask.shape == shape, (mask.shape, shape)
    assert mask.get_data_dtype() == np.uint8
    assert mask.header.endianness == image.header.endianness
    assert type(mask.header).__name__[:6] == type(image.header).__name__[:6], "the version of the header"
    assert mask.header["xyzt_units"] == image.header["xyzt_units"]


def same_transforms(image, mask):
    a, b = image.header, mask.header
    assert np.array_equal(mask.affine, image.affine), f"{mask.affine} is not {image.affine}"
    for key in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
                "srow_x", "srow_y", "srow_z"):
        assert np.array_equal(a[key], b[key]), key
    assert np.array_equal(a["pixdim"][:4], b["pixdim"][:4])


def same_place_to_itk(image, mask):
    try:
        image = sitk.ReadImage(str(image))
    except RuntimeError:
        return 0  # ITK reads no direction that is not orthonormal
    mask = sitk.ReadImage(str(mask))
    rank = mask.GetDimension()
    assert mask.GetSize() == image.GetSize()[:rank]
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)[:rank, :rank]
    np.testing.assert_allclose(np.array(mask.GetDirection()).reshape(rank, rank), direction, atol=1e-6)
    np.testing.assert_allclose(mask.GetOrigin(), image.GetOrigin()[:rank], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(mask.GetSpacing(), image.GetSpacing()[:rank], rtol=1e-6)
    return 1


def check_case(folder, case):
    """Compares one case; how many masks SimpleITK looked at."""
    name = case["name"]
    found = json.loads((folder / "read" / f"{name}.json").read_text())
    if case["refused"]:
        assert re.search(case["refused"], found.get("refused", "")), f"not refused as {case['refused']}: {found}"
        return 0
    assert "refused" not in found, found
    path = folder / case["load"]
    image = nib.load(path)
    stored = image.get_fdata(dtype=np.float64).astype(np.float32)
    rank = min(3, stored.ndim)
    grid = stored.shape[:rank] + (1,) * (3 - rank)
    stored = stored.reshape(grid + (-1,))
    unit = {1: 1e3, 3: 1e-3}.get(int(image.header["xyzt_units"]) & 7, 1.0)
    expected, affine = canonical(stored, full(image.affine))
    read = np.fromfile(folder / "read" / f"{name}.f32", "<f4").reshape(found["shape"])
    oriented = bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)
    assert found["oriented"] == oriented
    x, y, z = np.indices(expected.shape[:3])
    if rank == 2:
        across = int(np.argmin([side if side == 1 else 9 for side in expected.shape[:3]]))
        plane = [plane for plane, axis in PLANES.items() if axis == across][0]
        rows = laid_out(expected, plane)
        assert np.array_equal(read, np.moveaxis(rows, -1, 0)), "values"
        same_image_affine(found["affine"], affine, unit, plane, expected.shape)
    else:
        assert np.array_equal(read, np.moveaxis(expected, -1, 0)), "values"
        np.testing.assert_allclose(found["affine"], affine[:3] * unit, rtol=1e-6, atol=1e-5 * unit)

    mask_path = folder / "read" / f"{name}.mask.nii.gz"
    mask = nib.load(mask_path)
    same_header(image, mask, image.shape[:rank])
    same_transforms(image, mask)
    marked, _ = canonical(np.asarray(mask.dataobj).reshape(grid), full(mask.affine))
    assert np.array_equal(marked, label(x, y, z)), "labels"
    masks = same_place_to_itk(path, mask_path) if case["load"].endswith((".nii", ".nii.gz")) else 0

    for plane, index in found.get("slices", []):
        slice_path = folder / "read" / f"{name}.{plane}-{index}.nii.gz"
        check_slice(image, nib.load(slice_path), plane, index, expected.shape[:3], full(image.affine))
    return masks


def laid_out(volume, plane):
    """A volume of one slice as sagate shows it: rows from head to foot or front to back."""
    axis = PLANES[plane]
    rows = np.swapaxes(volume.take(0, axis), 0, 1)[::-1]
    return rows[:, ::-1] if plane == "sagittal" else rows


def same_image_affine(found, affine, unit, plane, shape):
    """The place of each corner of an image."""
    places = np.moveaxis(np.indices(shape[:3]), 0, -1)
    places = places @ affine[:3, :3].T + affine[:3, 3]
    expected = laid_out(places, plane) * unit
    height, width = expected.shape[:2]
    found = np.array(found)
    for row, column in itertools.product((0, height - 1), (0, width - 1)):
        place = found @ [row, column, 1]
        np.testing.assert_allclose(place, expected[row, column], rtol=1e-6, atol=1e-5 * unit)


def check_slice(image, mask, plane, index, shape, affine):
    """Every voxel of a slice's mask lies on the voxel of the image that has its label."""
    axis = PLANES[plane]
    orientation = nib.io_orientation(affine)
    file_axis = int(np.where(orientation[:, 0] == axis)[0][0])
    cut = list(image.shape[:3])
    cut[file_axis] = 1
    same_header(image, mask, tuple(cut))
    step = index if orientation[file_axis, 1] > 0 else shape[axis] - 1 - index
    start = [slice(None)] * 3
    start[file_axis] = slice(step, step + 1)
    np.testing.assert_allclose(mask.affine, image.slicer[tuple(start)].affine, rtol=1e-6, atol=1e-5)
    if image.header["sform_code"] > 0 or image.header["qform_code"] > 0:
        assert mask.header["sform_code"] == image.header["sform_code"] and mask.header["qform_code"] == image.header["qform_code"]
        if image.header["qform_code"] > 0:
            moved = image.header.get_qform()
            moved[:3, 3] += moved[:3, file_axis] * step
            np.testing.assert_allclose(mask.header.get_qform(), moved, rtol=1e-6, atol=1e-5)
    to_voxels = np.linalg.inv(affine) @ mask.affine
    whole, _ = canonical(np.moveaxis(np.indices(image.shape[:3]), 0, -1), affine)
    place = {tuple(voxel): tuple(ras) for ras, voxel in zip(np.ndindex(*shape), whole.reshape(-1, 3))}
    labels = np.asarray(mask.dataobj)
    for voxel, value in np.ndenumerate(labels):
        found = to_voxels @ [*voxel, 1]
        nearest = np.rint(found[:3]).astype(int)
        assert np.abs(found[:3] - nearest).max() < 1e-3, found
        ras = place[tuple(nearest)]
        assert ras[axis] == index and value == label(*ras), (voxel, ras, value)


def check(folder):
    folder = Path(folder)
    cases = json.loads((folder / "cases.json").read_text())
    failures, masks = [], 0
    for case in cases:
        try:
            masks += check_case(folder, case)
        except Exception as error:  # every case is told, not the first alone
            failures.append(f"{case['name']}: {type(error).__name__}: {error}")
    for failure in failures:
        print(failure)
    refused = sum(bool(case["refused"]) for case in cases)
    print(f"{len(cases)} cases: {len(cases) - refused} read, {refused} refused; {masks} masks compared by SimpleITK, too")
    print(f"{len(failures)} differ")
    sys.exit(bool(failures))


if __name__ == "__main__":
    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sitk.ProcessObject_SetGlobalWarningDisplay(False)
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])
