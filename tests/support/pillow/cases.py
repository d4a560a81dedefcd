"""Draws pictures, writes them as JPEG and PNG in every way that files come, whole and damaged, and what Pillow and libjpeg read in them.

    cases.py FOLDER     writes FOLDER/NAME and FOLDER/cases.json: a list of
    {"file": NAME, "kind": "whole" or "damaged", "refused": words or null, "warned": bool, "shape": [c, h, w], "values": NAME, "shift": n}

`values` are 16-bit little-endian: what the file holds, or held before it was damaged. `refused`: the reader may refuse the file, if its message has these words.
`warned`: libjpeg warns of the damage or fails. `shift`: bits that Pillow drops of each value.
"""
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image

OUT = sys.argv[1]
TOOLS = os.path.abspath(".tools/libjpeg")
rng = np.random.default_rng(11)
cases = []
sheets = {}


def program(name, *arguments, data):
    own = os.path.join(TOOLS, name)
    environment = dict(os.environ)
    if os.path.exists(own):
        environment["LD_LIBRARY_PATH"] = TOOLS
    else:
        own = shutil.which(name) or sys.exit(f"{name} is missing: .ci/pillow gets it")
    return subprocess.run([own, *arguments], input=data, capture_output=True, env=environment)


def drawn(height, width, channels):
    """Smooth ground, an edge and noise: every coefficient of a block is used."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = []
    for channel in range(channels):
        plane = 120 + 60 * np.sin(x / (5 + channel)) * np.cos(y / 7) + 40 * (x + 2 * y > (width + height) * (0.6 + 0.1 * channel))
        planes.append(plane + rng.normal(0, 6, (height, width)))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def add(name, data, array, kind="whole", refused=None, warned=False, shift=0):
    """Notes a file and what it holds, `[h, w]` or `[h, w, c]`."""
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(data)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    values = np.ascontiguousarray(array.astype("<u2")).tobytes()
    sheet = sheets.get(values)
    if sheet is None:
        sheet = sheets[values] = f"{len(sheets)}.values"
        with open(os.path.join(OUT, sheet), "wb") as file:
            file.write(values)
    cases.append(dict(file=name, kind=kind, refused=refused, warned=warned, shape=array.shape, values=sheet, shift=shift))


def pillow(data):
    """The picture as Pillow reads it: grey, or red, green and blue."""
    image = Image.open(io.BytesIO(data))
    if image.mode in ("1", "L", "I;16"):
        return np.array(image.convert("L") if image.mode == "1" else image)
    return np.array(image.convert("RGB"))


# JPEG


def cjpeg(array, *arguments, scans=None):
    head = b"P5" if array.ndim == 2 else b"P6"
    data = head + f"\n{array.shape[1]} {array.shape[0]}\n255\n".encode() + array.tobytes()
    arguments = ["-quality", "90", *arguments]
    if scans:
        script = os.path.join(OUT, "scans")
        with open(script, "w") as file:
            file.write(scans)
        arguments += ["-scans", script]
    done = program("cjpeg", *arguments, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def segments(data):
    """Every segment before the first scan's data: marker, begin, end."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield marker, at, at + 2 + length
        at += 2 + length
        if marker == 0xDA:
            return


def without(data, marker):
    for found, begin, end in segments(data):
        if found == marker:
            return data[:begin] + data[end:]
    return data


def adobe(data, transform):
    return data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform]) + data[2:]


def jpegs():
    sizes = [(1, 1), (7, 9), (8, 8), (16, 16), (17, 31), (33, 20), (61, 45)]
    whole = []
    ways = {"base": [], "opt": ["-optimize"], "prog": ["-progressive"], "r1": ["-restart", "1"], "r3b": ["-restart", "3B"],
            "prog-r2b": ["-progressive", "-restart", "2B"]}
    for height, width in sizes:
        grey, colour = drawn(height, width, 1)[..., 0], drawn(height, width, 3)
        for way, arguments in ways.items():
            whole.append((f"grey-{way}-{height}x{width}", cjpeg(grey, *arguments)))
            whole.append((f"grey22-{way}-{height}x{width}", cjpeg(grey, "-sample", "2x2", *arguments)))
            for sampling in ("1x1", "2x1", "2x2", "1x2", "4x1", "2x1,1x2", "3x1"):
                if sampling == "3x1" and way.startswith("prog"):
                    continue
                whole.append((f"{sampling}-{way}-{height}x{width}", cjpeg(colour, "-sample", sampling, *arguments)))
        for sampling in ("1x1", "2x1", "2x2", "1x2", "4x1"):
            for restart in ((), ("-restart", "2B")):
                for label, scans in (("three", "0;\n1;\n2;\n"), ("two", "0;\n1 2;\n"), ("turned", "2;\n0;\n1;\n")):
                    data = cjpeg(colour, "-sample", sampling, *restart, scans=scans)
                    whole.append((f"scans-{label}-{sampling}-{len(restart)}-{height}x{width}", data))
        plain, rgb = cjpeg(colour, "-sample", "1x1"), cjpeg(colour, "-rgb")
        whole += [(f"nojfif-{height}x{width}", without(plain, 0xE0)), (f"adobe1-{height}x{width}", adobe(without(plain, 0xE0), 1)),
                  (f"adobe0-{height}x{width}", adobe(without(plain, 0xE0), 0)), (f"rgb-{height}x{width}", rgb),
                  (f"rgb-noadobe-{height}x{width}", without(rgb, 0xEE)), (f"tail-{height}x{width}", plain + b"\0" * 20 + b"tail"),
                  (f"fill-{height}x{width}", plain[:2] + b"\xff\xff" + plain[2:]),
                  (f"comment-{height}x{width}", plain[:2] + b"\xff\xfe\x00\x08\xff\xd9\xff\xd9\xff\xd9" + plain[2:]),
                  (f"quality-{height}x{width}", cjpeg(colour, "-quality", "100", "-sample", "1x1"))]
        whole += [(f"adobe{transform}-grey-{height}x{width}", adobe(cjpeg(grey), transform)) for transform in (0, 1)]
        for progressive in (False, True):
            file = io.BytesIO()
            Image.fromarray(colour).convert("CMYK").save(file, "JPEG", quality=90, progressive=progressive)
            inks = file.getvalue()
            at = inks.index(b"Adobe") + 11
            whole += [(f"cmyk-{progressive}-{height}x{width}", inks),
                      (f"ycck-{progressive}-{height}x{width}", inks[:at] + b"\2" + inks[at + 1 :])]
            add(f"cmyk-bare-{progressive}-{height}x{width}.jpg", without(inks, 0xEE), pillow(inks), refused="inverted")
    for name, data in whole:
        add(f"{name}.jpg", data, pillow(data))
    grey = drawn(40, 40, 1)[..., 0]
    data = bytearray(cjpeg(grey))
    for marker, begin, _ in segments(data):
        if marker == 0xC0:
            frame = begin
    add("arithmetic.jpg", cjpeg(grey, "-arithmetic"), pillow(cjpeg(grey)), refused="arithmetic")
    for name, at, value, words in (("deep", frame + 4, 12, "12 bits"), ("lossless", frame + 1, 0xC3, "lossless")):
        odd = bytearray(data)
        odd[at] = value
        add(f"{name}.jpg", bytes(odd), grey, refused=words)
    bad_adobe = adobe(without(cjpeg(drawn(16, 16, 3)), 0xE0), 2)
    add("adobe2.jpg", bad_adobe, pillow(bad_adobe), refused="colour transform")
    damaged_jpegs()


def damaged_jpegs():
    grey, colour = drawn(72, 64, 1)[..., 0], drawn(72, 64, 3)
    sources = {
        "grey": cjpeg(grey), "grey-opt": cjpeg(grey, "-optimize"), "colour": cjpeg(colour, "-sample", "2x2"), "r1": cjpeg(grey, "-restart", "1"),
        "prog": cjpeg(grey, "-progressive"), "prog-colour": cjpeg(colour, "-sample", "2x2", "-progressive"),
        "scans": cjpeg(colour, "-sample", "2x1", scans="0;\n1;\n2;\n"),
    }
    end = b"\xff\xd9"
    for name, data in sources.items():
        begin = list(segments(data))[-1][2]
        length = len(data) - 2 - begin
        for step in range(1, 24):
            at = begin + length * step // 24
            cut = data[:at].rstrip(b"\xff")
            size = 1 + int(rng.integers(1, max(2, length // 8)))
            behind = min(len(data) - 2, at + size)
            flipped = bytearray(data)
            flipped[at] ^= 1 << int(rng.integers(0, 8))
            noise = bytes(int(value) for value in rng.integers(0, 255, behind - at))
            for way, corrupted in (("cut", cut + end), ("open", cut), ("zeros", data[:at] + bytes(behind - at) + data[behind:]),
                                ("missing", data[:at] + data[behind:]), ("noise", data[:at] + noise + data[behind:]),
                                ("twice", data[:behind] + data[at:]), ("flip", bytes(flipped))):
                damaged_jpeg(f"{name}-{way}-{step}", corrupted, data)
        # Whole scans that are missing: libjpeg takes it for a picture that is still on its way, and says nothing.
        starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
        for number, start in enumerate(starts[1:], 1):
            add(f"{name}-scan-{number}.jpg", data[:start] + end, pillow(data), kind="damaged", warned=True)


def damaged_jpeg(name, corrupted, data):
    done = program("djpeg", "-outfile", os.devnull, data=corrupted)
    warned = done.returncode != 0 or bool(done.stderr)
    try:
        pillow(corrupted)
    except Exception:
        warned = True
    add(f"{name}.jpg", corrupted, pillow(data), kind="damaged", warned=warned)


# PNG


def chunk(kind, data, wrong=0):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong)


def rows(array, depth):
    """Rows of `[h, w, c]` as PNG packs them, filtered in turn by none and by the row above."""
    height, width, channels = array.shape
    if depth == 16:
        packed = array.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        packed = array.astype(np.uint8).reshape(height, -1)
    else:
        bits = ((array.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(height, -1)
        packed = np.packbits(bits, axis=1)
    out = b""
    for number, row in enumerate(packed):
        if number % 2:
            out += b"\2" + (row - packed[number - 1]).astype(np.uint8).tobytes()
        else:
            out += b"\0" + row.tobytes()
    return out


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def raw(array, depth, interlaced):
    if not interlaced:
        return rows(array, depth)
    parts = (array[top::down, left::across] for left, top, across, down in PASSES)
    return b"".join(rows(part, depth) for part in parts if part.size)


def png(array, depth, colour, interlaced=False, before=b"", packed=None, parts=1, behind=b""):
    height, width = array.shape[:2]
    packed = zlib.compress(raw(array, depth, interlaced)) if packed is None else packed
    step = -(-len(packed) // parts)
    data = b"".join(chunk(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + data + behind + chunk(b"IEND", b"")


def pngs():
    for height, width in [(1, 1), (3, 5), (8, 8), (9, 17), (40, 33)]:
        for interlaced in (False, True):
            for parts in (1, 3):
                label = f"{height}x{width}-{'adam7' if interlaced else 'plain'}-{parts}"
                options = dict(interlaced=interlaced, parts=parts)
                for depth in (1, 2, 4, 8, 16):
                    grey = rng.integers(0, 1 << depth, (height, width, 1))
                    data = png(grey, depth, 0, **options)
                    add(f"png-grey{depth}-{label}.png", data, pillow(data))
                for depth in (1, 2, 4, 8):
                    colours = rng.integers(0, 256, (1 << depth, 3), dtype=np.uint8)
                    index = rng.integers(0, 1 << depth, (height, width, 1))
                    palette = chunk(b"PLTE", colours.tobytes())
                    data = png(index, depth, 3, before=palette, **options)
                    add(f"png-palette{depth}-{label}.png", data, pillow(data))
                    opaque = palette + chunk(b"tRNS", b"\xff" * (1 << depth))
                    data = png(index, depth, 3, before=opaque, **options)
                    add(f"png-palette{depth}-opaque-{label}.png", data, pillow(data))
                    clear = palette + chunk(b"tRNS", bytes([0]) * (1 << depth))
                    data = png(index, depth, 3, before=clear, **options)
                    add(f"png-palette{depth}-clear-{label}.png", data, pillow(data), refused="alpha")
                for depth in (8, 16):
                    top = (1 << depth) - 1
                    for colour, channels in ((2, 3), (4, 2), (6, 4)):
                        array = rng.integers(0, top, (height, width, channels))
                        shown = channels if channels == 3 else channels - 1
                        if channels != 3:
                            data = png(array, depth, colour, **options)
                            add(f"png-clear{colour}-{depth}-{label}.png", data, array[..., :shown], refused="alpha")
                            array[..., -1] = top
                        data = png(array, depth, colour, **options)
                        add(f"png-colour{colour}-{depth}-{label}.png", data, array[..., :shown])
                        if channels != 2:
                            # Pillow keeps 8 bits of each value of a colour picture.
                            add(f"png-colour{colour}-{depth}-{label}-pillow.png", data, pillow(data), shift=depth - 8)
                grey = rng.integers(0, 65535, (height, width, 1))
                for name, before in (("gamma", chunk(b"gAMA", struct.pack(">I", 100000))), ("bits", chunk(b"sBIT", b"\x0c")),
                                     ("unused", chunk(b"tRNS", struct.pack(">H", 65535)))):
                    add(f"png-{name}-{label}.png", png(grey, 16, 0, before=before, **options), grey[..., 0])
                add(f"png-tail-{label}.png", png(grey, 16, 0, **options) + b"tail", grey[..., 0])
                grey[0, 0, 0] = 7
                data = png(grey, 16, 0, before=chunk(b"tRNS", struct.pack(">H", 7)), **options)
                add(f"png-see-through-{label}.png", data, grey[..., 0], refused="alpha")
    damaged_pngs()


def damaged_pngs():
    """Damage of which a reader must see something: wrong checksums, too few or too many bytes. `warned` stands for that."""
    array = rng.integers(0, 65535, (24, 20, 1))
    whole = array[..., 0]

    def add_damaged(name, data):
        add(f"png-{name}.png", data, whole, kind="damaged", warned=True)

    for interlaced in (False, True):
        packed = zlib.compress(raw(array, 16, interlaced))
        good = png(array, 16, 0, interlaced)
        label = "adam7" if interlaced else "plain"
        for at in range(8, len(good), 7):
            flipped = bytearray(good)
            flipped[at] ^= 1 << int(rng.integers(0, 8))
            add_damaged(f"flip-{label}-{at}", bytes(flipped))
        for step in range(1, 20):
            add_damaged(f"cut-{label}-{step}", good[: len(good) * step // 20])
            at = len(packed) * step // 20
            again = lambda bytes: png(array, 16, 0, interlaced, packed=bytes)
            add_damaged(f"idat-cut-{label}-{step}", again(packed[:at]))
            add_damaged(f"idat-missing-{label}-{step}", again(packed[:at] + packed[at + 3 :]))
            add_damaged(f"idat-zeros-{label}-{step}", again(packed[:at] + b"\0\0\0\0" + packed[at + 4 :]))
        stored = bytearray(zlib.compress(raw(array, 16, interlaced), 0))
        for step in range(1, 20):
            wrong = bytearray(stored)
            wrong[20 + (len(wrong) - 30) * step // 20] ^= 0x40
            add_damaged(f"adler-{label}-{step}", png(array, 16, 0, interlaced, packed=bytes(wrong)))
        add_damaged(f"adler-missing-{label}", png(array, 16, 0, interlaced, packed=packed[:-4]))
        add_damaged(f"adler-wrong-{label}", png(array, 16, 0, interlaced, packed=packed[:-1] + bytes([packed[-1] ^ 1])))
        add_damaged(f"more-rows-{label}", png(array, 16, 0, interlaced, packed=zlib.compress(raw(array, 16, interlaced) + bytes(41))))
        add_damaged(f"fewer-rows-{label}", png(array, 16, 0, interlaced, packed=zlib.compress(raw(array, 16, interlaced)[:-1])))
        add_damaged(f"behind-stream-{label}", png(array, 16, 0, interlaced, packed=packed + b"more"))
        add_damaged(f"another-idat-{label}", png(array, 16, 0, interlaced, behind=chunk(b"IDAT", b"more")))
        add_damaged(f"text-sum-{label}", png(array, 16, 0, interlaced, before=chunk(b"tEXt", b"a\0b", wrong=1)))
        add_damaged(f"exif-sum-{label}", png(array, 16, 0, interlaced, before=chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0", wrong=1)))


os.makedirs(OUT, exist_ok=True)
jpegs()
pngs()
with open(os.path.join(OUT, "cases.json"), "w") as file:
    json.dump(cases, file)
