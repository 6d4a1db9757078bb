"""A corpus of hostile files, made from a seed: every format that is read, whole and then cut,
flipped, spliced, wrapped and misnamed; bombs; odd EXIF and profiles; odd zips, tables, Parquet,
vectors and weights."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.datasets import odd_inputs
from tests.images import bombs

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("P", "L"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
    "AVIF": ("RGB", "RGBA"),
}
OPTIONS = {
    "PNG": ({}, {"compress_level": 0}),
    "JPEG": ({}, {"progressive": True}, {"quality": 30, "subsampling": 0}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}),
    "AVIF": ({"speed": 10},),
}
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif",
           "TIFF": ".tif", "AVIF": ".avif"}  # fmt: skip
TABLES, ZIPS, PARQUETS, VECTORS, WEIGHTS = 40, 40, 30, 30, 30


def pictures(seed: int, each: int = 34) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of picture files: ``each`` for every format and mode, then the bombs."""
    rng = random.Random(seed)
    for format, modes in MODES.items():
        for mode in modes:
            whole = [_whole(rng, format, mode) for _ in range(each)]
            for number, data in enumerate(whole):
                how, spoil = rng.choice(SPOILED) if number % 4 else ("whole", None)
                made = data if spoil is None else spoil(rng, data, rng.choice(whole))
                ending = rng.choice(tuple(ENDINGS.values())) if how == "renamed" else ""
                name = f"{format}-{mode.replace(';', '')}-{number:02d}-{how}"
                yield name + (ending or ENDINGS[format]), made
    for bomb in bombs.BOMBS:
        yield f"bomb-{bomb.__name__}.{bomb.__name__.split('_')[0]}", bomb()


def _whole(rng: random.Random, format: str, mode: str) -> bytes:
    width, height = rng.randrange(1, 90), rng.randrange(1, 90)
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (height, width, 4))
    image = Image.fromarray(pixels.astype(np.uint8), "RGBA")
    if mode == "I;16":
        image = Image.fromarray((pixels[:, :, 0] * 257).astype(np.uint16))
    elif mode == "F":
        image = Image.fromarray(pixels[:, :, 0].astype(np.float32))
    else:
        image = (
            image.convert(mode) if mode in ("RGBA", "LA") else image.convert("RGB").convert(mode)
        )
    options = dict(rng.choice(OPTIONS.get(format, ({},))))
    if format in ("PNG", "JPEG", "WEBP", "AVIF") and rng.random() < 0.5:
        options["exif"] = _exif(rng)
    if format in ("PNG", "JPEG", "WEBP", "AVIF") and mode in ("RGB", "RGBA") and rng.random() < 0.3:
        options["icc_profile"] = _profile(rng)
    out = io.BytesIO()
    try:
        image.save(out, format, **options)
    except Exception:  # Pillow reads the EXIF that it writes into an AVIF, and this one is damaged
        out, options = io.BytesIO(), {**options, "exif": b""}
        image.save(out, format, **options)
    return out.getvalue()


def _exif(rng: random.Random) -> bytes:
    """A turn (or none that exists), and tags of odd kinds."""
    exif = Image.Exif()
    exif[0x0112] = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 255, 65535))
    exif[0x010E] = "x" * rng.randrange(2000)
    data = exif.tobytes()
    if rng.random() < 0.3:
        data = data[:6] + _flipped(rng, data[6:], b"")
    return data


def _profile(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(1, 5000))
    return _flipped(rng, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"")


def _cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _flipped(rng: random.Random, data: bytes, other: bytes) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def _followed(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data + rng.choice((b"<html><script>alert(1)</script></html>", other, bytes(5000)))


def _preceded(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return rng.choice((b"PK\x03\x04", b"%PDF-1.7\n", b"<svg>", b"\0" * 9, b"MZ")) + data


def _twice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    middle = rng.randrange(len(data))
    return data[:middle] + data[middle // 2 :]


def _unchanged(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data


SPOILED: tuple[tuple[str, Callable[[random.Random, bytes, bytes], bytes]], ...] = (
    ("cut", _cut),
    ("flipped", _flipped),
    ("spliced", _spliced),
    ("followed", _followed),
    ("preceded", _preceded),
    ("twice", _twice),
    ("renamed", _unchanged),
)


def others(home: Path, seed: int, ids: list[str]) -> Iterator[tuple[str, Path]]:
    """Kind (``zip``, ``table``, ``parquet``, ``vectors``, ``weights``) and place of every input that
    is no single picture; ``ids`` are those of the pictures that vectors are for."""
    makers = (
        ("zip", ZIPS, lambda at, n: odd_inputs.odd_zip(at / "odd.zip", n).path),
        ("table", TABLES, lambda at, n: odd_inputs.odd_table(at / "odd.csv", n).path),
        ("parquet", PARQUETS, lambda at, n: odd_inputs.odd_parquet(at, n).path),
        ("vectors", VECTORS, lambda at, n: odd_inputs.odd_vectors(at / "odd.npy", ids, n).path),
        ("weights", WEIGHTS, _weights),
    )
    for kind, count, make in makers:
        for number in range(count):
            rng = random.Random(f"{seed}-{kind}-{number}")
            at = home / f"{kind}-{number}"
            at.mkdir(parents=True)
            path = make(at, seed * 1000 + number)
            if number % 2:
                _spoil(rng, path)
            yield kind, path


def _spoil(rng: random.Random, path: Path) -> None:
    """Damage one file of an input."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    chosen = rng.choice(files)
    data = chosen.read_bytes()
    if data:
        _, how = rng.choice(SPOILED[:6])
        chosen.write_bytes(how(rng, data, data))


def _weights(at: Path, number: int) -> Path:
    """A state dict as safetensors: a third of a network's own, the others of shapes that none has."""
    from safetensors.numpy import save_file

    if number % 3 == 0:
        import timm

        state = timm.create_model("test_resnet").state_dict()
        save_file({name: one.numpy() for name, one in state.items()}, at / "odd.safetensors")
        return at / "odd.safetensors"
    rng = np.random.default_rng(number)
    tensors = {
        f"layer{n}.weight": rng.random(tuple(rng.integers(1, 9, rng.integers(1, 5)))).astype("f4")
        for n in range(rng.integers(1, 6))
    }
    save_file(tensors, at / "odd.safetensors")
    return at / "odd.safetensors"
