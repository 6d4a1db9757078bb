"""What every test shares: an artifacts folder of its own, the real photographs where they are,
small pictures."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # Each library would start a thread for each core in each of several processes; those that wait
    # spin, and take the cores from those that work. Read when numpy, torch and faiss are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

# isort: split
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
FIRST = (
    "browser",
    "cli",
    "training",
    "test_added",
    "test_types",
    "pages",
    "services",
    "contracts",
    "encoders",
    "hosting",
    "",
)
"""Rooms whose files take longest, and such files. ``make test`` hands out whole files in the order
of collection: a long one that comes last would be waited for on one core."""
NUMBERS = itertools.count()
"""Of the tests' folders: pytest looks for the next free one among thousands."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest first, the order within a file as it is written."""

    def rank(item: pytest.Item) -> int:
        named = (name for name in (item.path.stem, item.path.parent.name) if name in FIRST)
        return FIRST.index(next(named, FIRST[-1]))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whole files, and those of the browser in shares: each process that has one starts an app and
    a Chromium, and waits for pages while others compute."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    shares = max(2, len(config.getoption("tx")) - 1)
    files: dict[str, int] = {}

    class Handed(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if not file.startswith("tests/browser/"):
                return file
            return f"tests/browser {files.setdefault(file, len(files)) % shares}"

    return Handed(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: no collection of garbage goes through it,
    neither while there is more of it with each file nor afterwards."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Generator[None]:
    """No test cuts the power: what was written is read again whether it has reached the disk or
    not, and waiting for the disk was most of the time that many of them took. The order in which
    files are to reach it is a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def artifacts(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing that a test writes lands in the project; what the project ships stays readable."""
    folder = tmp_path_factory.getbasetemp() / "artifacts" / str(next(NUMBERS))
    folder.mkdir(parents=True)
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(folder))
    return folder


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of real photographs: LOOKALIKE_DATA, or shared/data beside the project."""
    folder = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no real photographs here: set LOOKALIKE_DATA to their folder")
    return folder


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``here(*arguments)`` -> exit code, standard output and standard error of a command, without a
    process of its own."""
    from core.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = main(arguments)
        except SystemExit as left:
            code = left.code
        finally:
            signal.signal(signal.SIGTERM, before)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 12 small pictures in two classes, each of its own colour."""
    rng = np.random.default_rng(0)
    for label, tint in (("cold", (40, 90, 220)), ("warm", (220, 90, 40))):
        for number in range(6):
            noise = rng.integers(0, 36, (48, 64, 3))
            image = Image.fromarray((np.array(tint) + noise).clip(0, 255).astype(np.uint8))
            path = tmp_path / "pictures" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    return tmp_path / "pictures"
