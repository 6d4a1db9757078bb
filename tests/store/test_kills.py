"""Builders that die or race: nothing half there, no lock left, no work done twice."""

from __future__ import annotations

import os
import signal
import time

import pytest

from core import store
from core.errors import Cancelled, UserError
from tests.store.conftest import wait_for

CAUSES = {"dataset": "d", "encoder": "e"}
PROMPT_S = 300
"""Soon, for a machine that others use too; what hangs does so for an hour."""

HANGING = """
import time
from core import store
def build(folder):
    (folder / "half.bin").write_bytes(b"x" * 1000)
    (store.root() / "started").touch()
    time.sleep(3600)
store.get_or_build("embeddings", {"dataset": "d", "encoder": "e"}, build)
"""

COUNTING = """
import os, time
from core import store
def build(folder):
    with open(store.root() / "builds", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.5)
    (folder / "vectors.bin").write_bytes(b"whole")
print(store.get_or_build("embeddings", {"dataset": "d", "encoder": "e"}, build))
"""

FORKING = """
import os, time
from core import store
def build(folder):
    if os.fork() == 0:
        time.sleep(3600)
    (store.root() / "started").touch()
    time.sleep(3600)
store.get_or_build("embeddings", {"dataset": "d", "encoder": "e"}, build)
"""


def whole(folder) -> dict:
    (folder / "vectors.bin").write_bytes(b"whole")
    return {"rows": 1}


def temporary(artifacts) -> list:
    return [p for p in (artifacts / "cache" / "embeddings").iterdir() if p.name.startswith(".new-")]


def test_killed_builder_leaves_no_entry_and_no_lock(artifacts, start):
    child = start(HANGING)
    wait_for((artifacts / "started").exists)
    assert len(temporary(artifacts)) == 1, "the builder works under a temporary name"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert store.find("embeddings", store.key(CAUSES)) is None
    assert store.entries() == []
    began = time.monotonic()
    path = store.get_or_build("embeddings", CAUSES, whole)
    assert time.monotonic() - began < PROMPT_S, "the lock died with its holder"
    assert (path / "vectors.bin").read_bytes() == b"whole"
    assert temporary(artifacts) == [], "what the dead builder left is swept by the next"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_worker_forked_during_a_build_does_not_keep_its_lock(artifacts, start):
    child = start(FORKING, start_new_session=True)
    wait_for((artifacts / "started").exists)
    try:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        began = time.monotonic()
        store.get_or_build("embeddings", CAUSES, whole)
        assert time.monotonic() - began < PROMPT_S
    finally:
        os.killpg(child.pid, signal.SIGKILL)


def test_four_builders_of_one_entry_build_once(artifacts, start):
    children = [start(COUNTING) for _ in range(4)]
    answers = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0] * 4, answers
    assert len({out for out, _ in answers}) == 1
    assert len((artifacts / "builds").read_text().split()) == 1


def test_sweep_spares_a_living_builder(artifacts, start):
    start(HANGING)
    wait_for((artifacts / "started").exists)
    store.sweep("embeddings")
    store.get_or_build("embeddings", {"other": 1}, whole)
    assert [p.joinpath("half.bin").exists() for p in temporary(artifacts)] == [True]


def test_sweep_takes_only_old_loose_files(artifacts):
    folder = artifacts / "cache" / "embeddings"
    folder.mkdir(parents=True)
    (folder / ".new-young").touch()
    (folder / ".new-old").touch()
    os.utime(folder / ".new-old", (1, 1))
    store.sweep("embeddings")
    assert [p.name for p in folder.iterdir()] == [".new-young"]


def test_waiting_for_another_builder_can_be_cancelled(artifacts, start):
    start(HANGING)
    wait_for((artifacts / "started").exists)
    asked = []
    began = time.monotonic()
    with pytest.raises(Cancelled):
        store.get_or_build(
            "embeddings", CAUSES, whole, lambda done, total: asked.append(done) or len(asked) < 3
        )
    assert len(asked) == 3
    assert time.monotonic() - began < PROMPT_S


def test_entry_that_is_being_built_is_not_deleted(artifacts, start):
    assert store.delete("embeddings", store.key(CAUSES)) == 0
    store.get_or_build("embeddings", CAUSES, whole)
    code = (
        f'import time\nfrom core import store\nwith store.lock("embeddings-{store.key(CAUSES)}"):\n'
    )
    start(code + "    (store.root() / 'started').touch()\n    time.sleep(3600)")
    wait_for((artifacts / "started").exists)
    with pytest.raises(UserError, match="being built"):
        store.delete("embeddings", store.key(CAUSES))
    assert store.find("embeddings", store.key(CAUSES)) is not None


def test_deleting_leaves_an_open_reader_its_data(artifacts):
    import numpy as np

    def build(folder):
        np.save(folder / "v.npy", np.arange(10_000, dtype=np.float32))

    path = store.get_or_build("embeddings", CAUSES, build)
    mapped = np.load(path / "v.npy", mmap_mode="r")
    assert store.delete("embeddings", path.name) >= 40_000
    assert mapped[9_999] == 9_999
    assert store.find("embeddings", path.name) is None
    assert not path.exists()
    assert store.get_or_build("embeddings", CAUSES, build) == path


def test_lock_is_released_when_the_block_raises():
    with pytest.raises(RuntimeError), store.lock("one"):
        raise RuntimeError
    with store.lock("one", wait_s=0):
        pass


def test_lock_excludes_threads_of_one_process():
    with store.lock("one"), pytest.raises(TimeoutError), store.lock("one", wait_s=0):
        pass
