"""A generator of folder trees as people have them: pictures with and without endings, other files,
links, names in two forms."""

from __future__ import annotations

import os
import random
import unicodedata
from pathlib import Path

from tests.datasets.layouts import picture

NAMES = ("a", "b", "photo 1", "café", "naïve", "train", "ü")
PICTURES = (".png", ".PNG", "", ".jpe~", ".png?w=200", ".dat")
OTHERS = ("notes.txt", "scan.heic", "more.zip", "labels.csv", "README", "odd.xyz")


def tree(root: Path, outside: Path, seed: int) -> dict[str, bytes]:
    """Fill ``root`` (and ``outside``, which links lead to) by a seed; returns real path -> bytes of
    every picture made."""
    rng = random.Random(seed)
    made: dict[str, bytes] = {}
    folders = [root, outside]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for _ in range(rng.randint(0, 6)):
        folders.append(rng.choice(folders) / _form(rng, rng.choice(NAMES)))
        folders[-1].mkdir(exist_ok=True)
    for number in range(rng.randint(1, 12)):
        path = rng.choice(folders) / (
            _form(rng, rng.choice(NAMES)) + rng.choice(("", str(number))) + rng.choice(PICTURES)
        )
        if not os.path.lexists(path):
            path.write_bytes(picture(f"{seed}-{number}", side=rng.choice((1, 5))))
            made[os.path.realpath(path)] = path.read_bytes()
    for _ in range(rng.randint(0, 5)):
        path = rng.choice(folders) / rng.choice((*OTHERS, ".hidden.png", "._a.png"))
        if not os.path.lexists(path):
            path.write_bytes(rng.choice((b"", b"some words", b"PK\3\4", bytes(100))))
    for number in range(rng.randint(0, 6)):
        target = rng.choice(
            (*folders, *map(Path, made), root.parent, root / "nowhere", root / f"link{number}.png")
        )
        link = rng.choice(folders) / f"link{number}{rng.choice(('', '.png'))}"
        link.symlink_to(rng.choice((target, os.path.relpath(target, link.parent))))
    if rng.random() < 0.3:
        os.mkfifo(rng.choice(folders) / "pipe.png")
    if rng.random() < 0.3:
        (root / ".git" / "objects").mkdir(parents=True)
        (root / ".git" / "a.png").write_bytes(picture(1))
    return made


def _form(rng: random.Random, name: str) -> str:
    return unicodedata.normalize(rng.choice(("NFC", "NFD")), name)


def reached(root: Path) -> tuple[set[str], int]:
    """Real paths of the files that can be reached, and how many things a reader meets that enters
    each real folder once.

    Written without regard to how the reader goes about it: folders are grown until nothing is
    added.
    """
    top, around = (
        os.path.realpath(root),
        set(map(str, (Path(os.path.realpath(root)), *Path(os.path.realpath(root)).parents))),
    )
    entered, files, changed = {top}, set(), True
    while changed:
        changed = False
        for folder in list(entered):
            for name in os.listdir(folder):
                target = os.path.realpath(os.path.join(folder, name))
                if name.startswith(".") or not os.path.isdir(target) or target in entered:
                    continue
                if os.path.islink(os.path.join(folder, name)) and (
                    target in around or _holds(target, folder)
                ):
                    continue
                entered.add(target)
                changed = True
    met = 0
    for folder in entered:
        for name in os.listdir(folder):
            met += 1
            target = os.path.realpath(os.path.join(folder, name))
            if os.path.isfile(target) and not name.startswith("."):
                files.add(target)
    return files, met - (len(entered) - 1)


def _holds(folder: str, path: str) -> bool:
    return os.path.commonpath((folder, path)) == folder
