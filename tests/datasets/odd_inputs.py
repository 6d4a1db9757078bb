"""A seeded generator of inputs as people have them: zips, tables, Parquet and vectors in which
something is not as it should be.

Each function writes one input and returns what it wrote, counted while writing and not by reading
it again.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.datasets.layouts import folder, parquet, picture

WORDS = {
    "utf-8": ("München", "猫", "кот", "größe", "日本", "Ελλάδα"),
    "cp437": ("München", "größe", "café", "Käse"),
    "cp932": ("猫", "ねこ", "写真", "表"),
    "gbk": ("狗", "中文", "图片", "苹果"),
    "cp866": ("кот", "Собака", "Привет"),
}
UTF8_FLAG, ENCRYPTED = 0x800, 0x1
LINK = 0o120777 << 16


@dataclass
class Entry:
    """A member of a zip, byte by byte. ``header`` is its name in its own header, where that differs
    from the directory's."""

    name: bytes
    data: bytes = b""
    flags: int = 0
    method: int = 0
    attributes: int = 0
    system: int = 0
    extra: bytes = b""
    header: bytes | None = None


@dataclass
class Written:
    """What was written: ``seen`` things; ``labels`` of those that have to be used, by picture
    id."""

    path: Path
    seen: int = 0
    labels: dict[str, str | None] = field(default_factory=dict)


def write_zip(path: Path, entries: list[Entry]) -> Path:
    """A zip with exactly these entries; one without data gets a picture of its own for its name."""
    body, directory = b"", b""
    for entry in entries:
        name, offset = entry.name, len(body)
        data = entry.data or (
            b"" if name.endswith((b"/", b"\\")) else picture(name.decode("latin-1"))
        )
        told = struct.pack(
            "<HHHHLLL", entry.flags, entry.method, 0, 33, zlib.crc32(data), len(data), len(data)
        )
        own = name if entry.header is None else entry.header
        body += (
            b"PK\x03\x04"
            + struct.pack("<H", 20)
            + told
            + struct.pack("<HH", len(own), 0)
            + own
            + data
        )
        directory += b"PK\x01\x02" + bytes((20, entry.system, 20, 0)) + told
        directory += (
            struct.pack("<HHHHHLL", len(name), len(entry.extra), 0, 0, 0, entry.attributes, offset)
            + name
            + entry.extra
        )
    end = struct.pack("<HHHHLLH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\x05\x06" + end)
    return path


def odd_zip(path: Path, seed: int) -> Written:
    """Good members in one encoding with or without its flag, between members of every kind that is
    passed over."""
    rng = random.Random(seed)
    encoding = rng.choice(list(WORDS))
    flag = UTF8_FLAG if encoding == "utf-8" and rng.random() < 0.5 else 0
    written = Written(path)
    entries = []
    for number, word in enumerate(WORDS[encoding]):  # all words, so that short ones are no riddle
        slash = rng.choice("/\\") if encoding != "cp932" else "/"  # 0x5C is half a letter there
        dots = rng.choice(("", "", f".{slash}", f"x{slash}..{slash}"))
        name = f"{number}{rng.choice(('.png', '.png', ''))}"  # without an ending, the content tells
        written.labels[f"{word}/{name}"] = word
        entries.append(
            Entry(
                f"{dots}{word}{slash}{name}".encode(encoding),
                flags=flag,
                system=rng.choice((0, 3, 10)),
            )
        )
    bad = [
        Entry(b"../out.png"),
        Entry(b"/abs.png"),
        Entry(b"C:\\win.png"),
        Entry(b"a/link.png", attributes=LINK),
        Entry(b"a/locked.png", flags=ENCRYPTED),
        Entry(b"a/new.png", method=97),
        Entry(b"__MACOSX/._1.png"),
        Entry(b".DS_Store"),
        Entry(b"notes.txt"),
        Entry(b"raw.heic", b"ftypheic"),
        Entry(b"more.zip"),
        Entry(b""),
        Entry(b"README", b"words"),
        Entry(rng.choice(entries).name, flags=flag),
        Entry(b"a\0.png"),
    ]
    entries += rng.sample(bad, rng.randrange(len(bad)))
    written.seen = len(entries)
    entries += [
        Entry(f"{word}/".encode(encoding), flags=flag) for word in rng.sample(WORDS[encoding], 2)
    ]  # no member
    for entry in entries:
        entry.extra = rng.choice(
            (b"", b"", b"\x01", b"\xfe\xca\xff\x00", struct.pack("<HH4x", 0x7075, 4))
        )
    same = entries[-1].name
    if not any(entry.name == same for entry in entries[:-1]):
        first = entries[: len(WORDS[encoding])]
        rest = entries[len(first) :]
        rng.shuffle(rest)
        entries = first + rest  # a name that comes twice is the first one's
    write_zip(path, entries)
    return written


LABELS = {
    "utf-8": ("café", "猫", "кот", "red", "a; b"),
    "utf-8-sig": ("café", "größe"),
    "utf-16": ("猫", "red"),
    "cp1252": ("5 €", "größe"),
    "cp1251": ("кот", "Собака", "red"),
    "gbk": ("狗", "中文", "图片"),
    "mac_roman": ("café", "größe"),
}
TURNED = {";": ",", "\t": ",", ",": ";"}


def odd_table(path: Path, seed: int) -> Written:
    """A CSV beside its pictures: good rows in one encoding, between rows that are mended, passed
    over or blank."""
    rng = random.Random(seed)
    encoding, sep, ending = rng.choice(list(LABELS)), rng.choice(",;\t"), rng.choice(("\n", "\r\n"))
    folder(path.parent, [f"in/{number}.png" for number in range(20)])
    written, lines = Written(path), []
    for number in range(rng.randrange(6, 20)):
        label = rng.choice(LABELS[encoding]).replace(sep, TURNED[sep])
        name, line = f"in/{number}.png", rng.choice(list(ROWS))
        text, used = ROWS[line](name, label, sep)
        lines.append(text)
        written.seen += line != "blank"
        if used is not None:
            written.labels[name] = used
    lines = [f"path{sep}label", *lines, f"in/{number}.png{sep}the last one"]
    written.seen += 1
    written.labels.setdefault(f"in/{number}.png", "the last one")
    if rng.random() < 0.3:
        lines.insert(0, f"sep={sep}")
    data = "".join(f"{line}{ending}" for line in lines).encode(encoding)
    if encoding.startswith("utf-8") and rng.random() < 0.5 and not data.isascii():
        data += b"gone.png" + sep.encode() + b"one bad byte: \xe8" + ending.encode()
        written.seen += 1
    path.write_bytes(data)
    return written


ROWS = {
    "plain": lambda name, label, sep: (f"{name}{sep}{label}", label),
    "quoted": lambda name, label, sep: (
        f'{name}{sep}"{label}{sep} more"',
        f"{label}{sep} more".strip(),
    ),
    "two lines": lambda name, label, sep: (f'{name}{sep}"{label}\nmore"', f"{label}\nmore"),
    "word in quotes": lambda name, label, sep: (f'{name}{sep}"a ""{label}"""', f'a "{label}"'),
    "open quote": lambda name, label, sep: (f'{name}{sep}"{label}', label),
    "open quote, surplus": lambda name, label, sep: (f'{name}{sep}"{label}{sep}more', None),
    "surplus": lambda name, label, sep: (f"{name}{sep}{label}{sep}more", label),
    "empty cells": lambda name, label, sep: (f"{name}{sep}{label}{sep}{sep}", label),
    "short": lambda name, label, sep: (name, ""),
    "of Windows": lambda name, label, sep: (name.replace("/", "\\") + sep + label, label),
    "gone": lambda name, label, sep: (f"gone/{name}{sep}{label}", None),
    "elsewhere": lambda name, label, sep: (f"C:\\{name}{sep}{label}", None),
    "address": lambda name, label, sep: (f"https://example.org/{name}{sep}{label}", None),
    "no picture": lambda name, label, sep: (f"{name}.txt{sep}{label}", None),
    "no path": lambda name, label, sep: (f"{sep}{label}", None),
    "blank": lambda name, label, sep: ("", None),
}
"""Kinds of rows -> the line, and the label that it has to give; None where the row gives no
picture."""


def odd_parquet(root: Path, seed: int) -> Written:
    """A folder of Parquet: own ids that come twice or not at all, and files that are none, damaged
    or without pictures."""
    rng = random.Random(seed)
    written = Written(root)
    for file in range(rng.randrange(1, 4)):
        rows = rng.randrange(1, 9)
        ids = [rng.choice((f"own-{rng.randrange(6)}", None)) for _ in range(rows)]
        columns = {
            "image": [picture(f"{file}-{row}") for row in range(rows)],
            "id": ids,
            "label": [f"l{file}"] * rows,
        }
        parquet(root / rng.choice(("", "train", "a/b")) / f"{file}.parquet", columns)
        written.seen += rows
        for row, id in enumerate(ids):
            written.labels.setdefault(id or f"any-{file}-{row}", f"l{file}")
    others = {
        "README.md": b"words",
        ".hidden.parquet": b"",
        "cut.parquet": b"PAR1",
        "empty.pq": b"",
        "a/b/c/d/deep.parquet": b"",
        ".git/config": b"",
        "a/list.csv": b"path\n",
    }
    for name in rng.sample(list(others), rng.randrange(len(others))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(others[name])
        written.seen += 1
    parquet(root / "numbers.parquet", {"number": [1, 2, 3]})
    written.seen += 1
    return written


def odd_vectors(path: Path, ids: list[str], seed: int) -> Written:
    """A .npy with ids beside it: rows of zeros, ids of no picture, and pictures without a
    vector."""
    rng = np.random.default_rng(seed)
    named = [
        *rng.permutation(ids)[: rng.integers(2, len(ids) + 1)],
        *(f"unknown-{n}" for n in range(rng.integers(0, 9))),
    ]
    vectors = rng.normal(size=(len(named), 5)) * 10.0 ** rng.integers(-30, 30, (len(named), 1))
    zero = rng.random(len(named)) < 0.3
    zero[0] = False
    vectors[zero] = rng.choice((0.0, -0.0))
    np.save(path, vectors)
    encoding = ("utf-8", "utf-8-sig", "utf-16")[seed % 3]
    path.with_suffix(".txt").write_bytes("\r\n".join(named).encode(encoding))
    used = {id: None for id, empty in zip(named, zero, strict=True) if id in ids and not empty}
    return Written(path, len(named), used)
