"""What every registered index keeps on disk: a faithful copy that costs what it says, is mapped,
refused when damaged."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from core.errors import UserError
from core.indexes import annoy
from core.indexes.base import indexes
from tests.contracts.indexed import DIM, NAMES, N, clustered


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_is_the_same_and_costs_the_same(name, built, truth, tmp_path):
    index, copy = built(name), indexes.get(name)
    index.save(tmp_path)
    copy.load(tmp_path)
    assert (copy.size, copy.dim) == (N, DIM)
    before, after = index.search(truth[0], 10), copy.search(truth[0], 10)
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert copy.cost() == index.cost()
    on_disk = sum(f.stat().st_size for f in tmp_path.iterdir() if f.suffix != ".json")
    if index.engine:
        assert on_disk <= copy.cost().disk_bytes, "what lies here is a part of it"
    else:
        assert abs(on_disk - copy.cost().disk_bytes) <= 4096, "the cost is what lies on disk"


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_measured(name, built):
    cost = built(name).cost()
    assert cost.ram_bytes >= N
    assert cost.disk_bytes >= cost.ram_bytes
    assert cost.build_s > 0


@pytest.mark.parametrize("name", NAMES)
def test_loading_maps_the_files_instead_of_reading_them(name, built, tmp_path):
    built(name).save(tmp_path)
    index = indexes.get(name)
    index.load(tmp_path)
    mapped = {
        path.name: one.rss for one in own_maps() if (path := Path(one.path)).parent == tmp_path
    }
    arrays = {
        path.name for path in tmp_path.iterdir() if path.suffix not in (".json", ".npz")
    }  # the rest: notes, hash planes
    assert set(mapped) == (arrays if index.mapped else {"vectors.npy"})
    assert mapped.get("vectors.npy", 0) <= N * DIM, "no more than a quarter of the vectors is read"


@pytest.mark.parametrize("name", ["exact", "flat", "sq8"])
def test_loading_takes_a_fraction_of_the_files_memory(name, tmp_path):
    index, process = indexes.get(name), pytest.importorskip("psutil").Process()
    index.build(clustered(40_000, 256))
    index.save(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    before = process.memory_info().rss
    index = indexes.get(name)
    index.load(tmp_path)
    grown = process.memory_info().rss - before
    assert grown < size / 4, f"{grown} of {size} bytes became resident"


def own_maps() -> list:
    process = pytest.importorskip("psutil").Process()
    if not hasattr(process, "memory_maps"):
        pytest.skip("this system does not say which files a process has mapped")
    return process.memory_maps()


def test_full_disk_while_saving_is_a_system_error(built, tmp_path):
    (tmp_path / "index.faiss").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        built("flat").save(tmp_path)


def test_annoy_on_a_full_disk_is_a_system_error_with_its_number(tmp_path):
    class Full:
        def save(self, path: str) -> None:
            raise OSError("Unable to write: No space left on device")

    with pytest.raises(OSError, match="No space left") as told:
        annoy._write(Full(), tmp_path / "index.ann")
    assert told.value.errno == errno.ENOSPC


@pytest.mark.parametrize("name", ["hamming", "minhash"])
def test_damaged_planes_are_refused(name, built, tmp_path):
    built(name).save(tmp_path)
    whole = (tmp_path / "planes.npz").read_bytes()
    for broken in (b"", b"PK", whole[:100], whole[: len(whole) // 2].ljust(len(whole), b"\0")):
        (tmp_path / "planes.npz").write_bytes(broken)
        with pytest.raises(UserError, match="can't be read"):
            indexes.get(name).load(tmp_path)


def test_unreadable_file_is_refused(built, tmp_path):
    built("flat").save(tmp_path)
    data = (tmp_path / "index.faiss").read_bytes()
    for broken in (b"", data[:20], b"junk" + data[4:], data[: len(data) // 2]):
        (tmp_path / "index.faiss").write_bytes(broken)
        with pytest.raises(UserError, match="can't be read"):
            indexes.get("flat").load(tmp_path)
