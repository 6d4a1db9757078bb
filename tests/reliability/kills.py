"""Work that is killed at a random point, or finds the disk full from there on, then done again: it
completes, and what it leaves equals what an undisturbed run leaves, bit for bit.

A point is the N-th time that the work touches a file of its artifacts folder (opens one to write,
renames, deletes, makes a folder): it is counted by an audit hook of Python, so that the same N is
the same point on every machine, however busy. The process ends there by SIGKILL, before that call.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.cli.main import main
from core.errors import UserError
from core.services.library import library
from tests.datasets.layouts import folder

ENCODERS = "tiny.16x16,hsv.12x4x4"
TOUCHES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
GIVES_ROOM = ("os.remove", "os.rmdir", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR
TOLD_BY_TIME = (
    "meta.json", "report.json", "card.json", "job.json", "pace.json", "built.json", "times.json",
)  # fmt: skip
"""They say when, and how long it took."""


@dataclass(frozen=True)
class Work:
    """Something that is killed and done again: ``before`` once, undisturbed; then ``calls``."""

    name: str
    before: tuple[Callable[[], None], ...]
    calls: tuple[Callable[[], None], ...]


def command(*arguments: str) -> Callable[[], None]:
    """A command line that has to end well."""

    def call() -> None:
        code = main(arguments)
        if code == 1:
            raise UserError(f"{arguments[0]} was refused")
        assert code == 0, f"{arguments[0]} ended with {code}"

    return call


def works(home: Path) -> list[Work]:
    """Build, save (an upload), import, evaluate, train and delete, on made pictures."""
    pictures = home / "pictures"
    if not pictures.exists():
        names = [f"{kind}/{number}.png" for kind in "abc" for number in range(8)]
        folder(pictures, names)
        rng = np.random.default_rng(0)
        np.save(home / "mine.npy", rng.normal(size=(len(names), 6)))
        (home / "mine.txt").write_text("\n".join(names))
        shutil.make_archive(str(home / "upload"), "zip", pictures)
    at, data = str(pictures), (home / "upload.zip").read_bytes()
    add, built = (
        command("datasets", "--add", at),
        command("build", "--dataset", at, "--encoders", ENCODERS, "--index", "hnsw"),
    )
    train = command(
        "train", "--recipe", "classify", "--dataset", at, "--epochs", "1", "--name", "resnet.killed",
        "--run", "train-killed", "--threads", "1", "--no-compare", "--set", "backbone=test_resnet",
        "--set", "size=32", "--set", "batch=8",
    )  # fmt: skip
    return [
        Work("build", (), (built,)),
        Work("save", (), (lambda: _upload(data),)),
        Work("import", (), (command("vectors", "--dataset", at, "--name", "mine", "--file",
                                    str(home / "mine.npy"), "--ids", str(home / "mine.txt")),)),
        Work("evaluate", (built,), (command("evaluate", "--datasets", at, "--encoders", ENCODERS,
                                            "--name", "mine"),)),
        Work("train", (), (train,)),
        Work("delete", (add, built), (lambda: _remove(at),)),
    ]  # fmt: skip


def _upload(data: bytes) -> None:
    library.add_archive("upload.zip", data)


def _remove(locator: str) -> None:
    if locator in library.own_added():
        library.remove_dataset(locator)


def undisturbed(work: Work, artifacts: Path) -> tuple[int, dict[str, str]]:
    """How often the work touches a file, and what it leaves: file -> digest."""
    _alone(work.before, artifacts)
    touches = _in_a_process(work.calls, artifacts, 0)
    return touches, left(artifacts)


def disturbed(work: Work, artifacts: Path, point: int, full: bool) -> dict[str, str]:
    """The same, killed at a point (``full``: the disk is full from there on) and done again."""
    _alone(work.before, artifacts)
    ended = _in_a_process(work.calls, artifacts, point, full)
    if full:
        log = (artifacts.parent / f"{artifacts.name}.txt").read_text(errors="replace")
        assert ended >= 0, f"ended with {ended} on a full disk"
        assert "Unexpected error" not in log, "no sentence says why"
        assert "Traceback" not in log, "a traceback, and no sentence"
    else:
        assert ended == -signal.SIGKILL, f"was not killed: it ended with {ended}"
    _alone((*work.calls, lambda: store.sweep_left(0)), artifacts)
    return left(artifacts)


def left(artifacts: Path) -> dict[str, str]:
    """Files of an artifacts folder with their digests, without locks, logs and what tells a time; and
    nothing half written."""
    found = {}
    for path in sorted(artifacts.rglob("*")):
        name = path.relative_to(artifacts).as_posix()
        skip = name.startswith(("cache/locks/", "runs/")) or path.name in TOLD_BY_TIME
        if path.is_file() and not skip:
            data = path.read_bytes().replace(os.fsencode(artifacts), b"ARTIFACTS")
            found[name] = hashlib.sha256(data).hexdigest()[:16]
    return found


def _alone(calls: tuple[Callable[[], None], ...], artifacts: Path) -> None:
    if calls:
        ended = _in_a_process(calls, artifacts, 0)
        assert ended >= 0, f"ended with {ended}"


def _in_a_process(
    calls: tuple[Callable[[], None], ...], artifacts: Path, point: int, full: bool = False
) -> int:
    """Run the calls in a child; returns how often they touched a file, or the negative number of the
    signal that ended it, or -256 less the exit code."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work(calls, artifacts, point, full, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    return int(said) if os.WEXITSTATUS(status) == 0 else -256 - os.WEXITSTATUS(status)


def _work(calls: tuple, artifacts: Path, point: int, full: bool, writing: int) -> None:
    """The child's whole life."""
    code = 1
    try:
        os.environ["LOOKALIKE_ARTIFACTS"] = str(artifacts)
        with open(artifacts.parent / f"{artifacts.name}.txt", "ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        counted = count_touches(artifacts, point, full)
        try:
            for call in calls:
                call()
        except UserError as error:
            print(error, flush=True)
            if not full:
                raise
        os.write(writing, str(counted[0]).encode())
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def count_touches(artifacts: Path, point: int, full: bool = False) -> list[int]:
    """Count from now on. Before the ``point``-th touch (0 = never) SIGKILL to oneself; ``full``: from
    there on the disk is full instead."""
    counted, home = [0], str(artifacts)

    def heard(event: str, given: tuple) -> None:
        if not _touches(event, given, home):
            return
        counted[0] += 1
        if full and 0 < point <= counted[0] and event not in GIVES_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(given[0]))
        if not full and counted[0] == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)
    return counted


def _touches(event: str, given: tuple, home: str) -> bool:
    writes = event == "open" and isinstance(given[2], int) and bool(given[2] & WRITES)
    if not (writes or event in TOUCHES) or not isinstance(given[0], str | bytes | os.PathLike):
        return False
    name = os.fsdecode(given[0])
    return name.startswith(home) and "/locks/" not in name


@contextmanager
def prepared() -> Iterator[None]:
    """What children would import each for themselves is imported once; one thread, since children
    are forked."""
    import timm  # noqa: F401
    import torch

    torch.set_num_threads(1)
    yield


def run(home: Path, points: int = 60, full: int = 20, seed: int = 0) -> dict:
    """Kill the works at ``points`` random points in all and fill the disk at ``full``; returns
    figures, ``faults`` of which is empty where all is well."""
    rng, faults, figures = random.Random(seed), [], {}
    with prepared():
        every = works(home)
        for number, work in enumerate(every):
            whole = home / f"{work.name}-whole"
            whole.mkdir(parents=True)
            touches, wanted = undisturbed(work, whole)
            done = []
            for is_full, all_points in ((False, points), (True, full)):
                share = all_points // len(every) + (number < all_points % len(every))
                chosen = sorted(rng.sample(range(1, touches + 1), min(touches, share)))
                for point in chosen:
                    faults += _differences(work, home, point, is_full, wanted)
                done.append(len(chosen))
            figures[work.name] = [touches, *done]
    told = [sum(one[place] for one in figures.values()) for place in (1, 2)]
    return {"kills": told[0], "full disks": told[1], "works": figures, "faults": faults}


def _differences(
    work: Work, home: Path, point: int, full: bool, wanted: dict[str, str]
) -> list[str]:
    name = f"{work.name}-{'full' if full else 'killed'}-{point}"
    artifacts = home / name
    artifacts.mkdir()
    try:
        found = disturbed(work, artifacts, point, full)
    except AssertionError as error:
        return [f"{name}: {error}: {(home / f'{name}.txt').read_text(errors='replace')[-400:]}"]
    names = sorted(one for one in {*wanted, *found} if wanted.get(one) != found.get(one))
    shutil.rmtree(artifacts)
    return [f"{name}: {', '.join(names[:5])}"] if names else []


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), *map(int, sys.argv[2:])), indent=1))
