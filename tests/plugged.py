"""The real command line in processes of their own, with a slow encoder plugged in, and pictures for
it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from core.services.library import imports

ROOT = Path(__file__).parent.parent


def paint(folder: Path, names, seed: int = 0) -> Path:
    """Write a picture of noise for each name; the same name and seed give the same bytes."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng([seed, *name.encode()]).integers(
            0, 256, (24, 24, 3), dtype=np.uint8
        )
        Image.fromarray(noise).save(path)
    return folder


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{number:05d}.png" for number in range(start, start + count)]


def poor_gallery(home: Path) -> Path:
    """A folder of which little can be said: two patterns, a picture without a corner, a file that
    is no picture, and vectors that were imported (``imported.own``)."""
    folder = paint(home / "poor", ["a.png", "b.png"])
    for name in ("a.png", "b.png"):  # large enough that each square has corners
        Image.open(folder / name).resize((160, 160)).save(folder / name)
    Image.new("RGB", (160, 160), (120, 120, 120)).save(folder / "flat.png")
    (folder / "broken.png").write_bytes(b"no picture")
    np.save(home / "own.npy", np.random.default_rng(0).normal(size=(3, 5)))
    (home / "own.json").write_text(json.dumps(["a.png", "b.png", "flat.png"]))
    imports.import_vectors(str(folder), "own", str(home / "own.npy"), str(home / "own.json"))
    return folder


def wait_for(condition: Callable[[], object], seconds: float = 600.0):
    """Poll until ``condition()`` holds, and give what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


class Plugged:
    """Runs ``python -m core`` with the slow encoder ``slow.test``; ``diary`` has a line for each
    picture that it encoded."""

    def __init__(self, home: Path, artifacts: Path) -> None:
        self.diary, self.artifacts = home / "diary.txt", artifacts
        self.diary.touch()
        self.env = {
            **os.environ, "LOOKALIKE_ARTIFACTS": str(artifacts), "TEST_DIARY": str(self.diary),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "plugin"), str(ROOT)]),
        }  # fmt: skip
        self.children: list[subprocess.Popen] = []

    def start(
        self,
        *arguments: str,
        sleep: float = 0.0,
        prepare_sleep: float = 0.0,
        artifacts: Path | None = None,
    ) -> subprocess.Popen:
        env = {**self.env, "TEST_SLEEP": str(sleep), "TEST_PREPARE_SLEEP": str(prepare_sleep)}
        env["LOOKALIKE_ARTIFACTS"] = str(artifacts or self.artifacts)
        child = subprocess.Popen(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        child = self.start(*arguments, **options)
        out, err = child.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, child.returncode, out, err)

    def json(self, *arguments: str, **options):
        """What a command that succeeds prints with ``--json``: nothing else may stand on standard
        output."""
        done = self.run(*arguments, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def encoded(self) -> list[str]:
        return self.diary.read_text().split()

    def finished(self, artifacts: Path | None = None) -> int:
        """Pictures in finished parts of an unfinished build."""
        found = (artifacts or self.artifacts).glob("cache/partial/*/part-*/keys.json")
        return sum(len(json.loads(path.read_text())["keys"]) for path in found)

    def end(self) -> None:
        for child in self.children:
            if child.poll() is None:
                for process in family(child.pid):
                    process.kill()
            child.communicate()


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
