"""A build in threads, one for each core: the same vectors, the same refusals, and nothing left
behind."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import store
from core.encoders import resampling
from core.encoders.base import Encoder
from core.errors import Cancelled
from core.services.embedding import embed, encoding, stored
from core.services.library import library

COUNT = 40


class Means(Encoder):
    """The mean colours of four stripes; notes the threads that it ran in."""

    name, dim, side, streams = "means.4", 12, 16, True

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.most = 0

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return np.stack([part.mean((0, 1)) for part in np.array_split(image, 4)])

    def _encode(self, batch):
        self.threads.add(threading.current_thread().name)
        self.most = max(self.most, len(batch))
        return np.stack(batch).reshape(len(batch), -1)


class Alone(Means):
    """The same, prepared by worker processes or in turn."""

    streams = False


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures and one file that is none; few are many here."""
    monkeypatch.setattr(encoding, "SMALL", 8)
    monkeypatch.setattr(encoding, "BATCH", 4)
    monkeypatch.setattr(encoding, "team", lambda: 2)
    folder, rng = tmp_path / "many", np.random.default_rng(0)
    folder.mkdir()
    for number in range(COUNT):
        image = Image.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8))
        image.save(folder / f"{number:03}.png")
    (folder / "bad.png").write_bytes(b"bad")
    return folder


def test_threads_give_the_vectors_of_one_process(many):
    dataset = library.open_dataset(str(many), fresh=True)
    found = {}
    for encoder in (Means(), Alone()):
        assert embed.embed(dataset, [encoder]) == {"means.4": COUNT + 1}
        found[encoder.streams] = stored.read(dataset, encoder)
        assert all(name.startswith("encode") == encoder.streams for name in encoder.threads)
        meta = store.read_meta(stored.find(dataset, encoder))
        assert set(meta["spent_s"]) == set(encoding.STAGES)
        assert meta["encode_s"] > 0
        store.delete(stored.KIND, store.key(stored.causes(dataset, encoder)))
    one, other = found[True], found[False]
    assert one.ids == other.ids == tuple(f"{number:03}.png" for number in range(COUNT))
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert [skipped.id for skipped in one.skipped] == ["bad.png"]


@pytest.mark.parametrize(("resizes", "enough"), [(True, True), (True, False), (False, True)])
def test_only_large_builds_that_resize_load_what_resizes_quickly(
    many: Path, resizes: bool, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[bool] = []
    monkeypatch.setattr(resampling, "load", lambda: loaded.append(True))
    monkeypatch.setattr(resampling, "MANY", COUNT if enough else COUNT + 2)
    encoder = Means()
    encoder.resizes = resizes
    embed.embed(library.open_dataset(str(many), fresh=True), [encoder])
    assert bool(loaded) == (resizes and enough)


def test_a_pass_with_an_encoder_that_does_not_stream_takes_the_other_way(many):
    dataset = library.open_dataset(str(many), fresh=True)
    assert encoding.streamed(dataset.items, [Means()])
    assert not encoding.streamed(dataset.items, [Means(), Alone()])
    assert not encoding.streamed(dataset.items[:4], [Means()])
    assert not encoding.streamed(dataset.items, [])


def test_batches_come_in_order_and_small(many):
    dataset, encoder = library.open_dataset(str(many), fresh=True), Means()
    seen = [
        one.item.id
        for batch, count in encoding.through(dataset, dataset.items, [encoder], len)
        for one in batch
        if count == len(batch) <= 4
    ]
    assert seen == [item.id for item in dataset.items]


def test_beside_a_gpu_batches_are_received_while_it_computes(many, monkeypatch):
    dataset, plain, beside = library.open_dataset(str(many), fresh=True), Alone(), Alone()
    embed.embed(dataset, [plain])
    expected = np.array(stored.read(dataset, plain).vectors)
    store.delete(stored.KIND, store.key(stored.causes(dataset, plain)))
    monkeypatch.setattr(encoding.precision, "device_kind", lambda: "cuda")
    assert embed.embed(dataset, [beside]) == {"means.4": COUNT + 1}
    assert all(name.startswith("encode") for name in beside.threads)
    np.testing.assert_array_equal(stored.read(dataset, beside).vectors, expected)

    def fails(batch):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(encoding.overlapped(iter([[1], [2], [3]]), fails))
    assert [made for _, made in encoding.overlapped(iter([[1], [2, 3]]), len)] == [1, 2]


def test_a_stop_keeps_what_is_finished_and_ends_the_threads(many):
    dataset, encoder = library.open_dataset(str(many), fresh=True), Means()
    before = threading.active_count()
    with pytest.raises(Cancelled):
        embed.embed(dataset, [encoder], lambda done, total: done < 12)
    assert threading.active_count() == before
    assert embed.pending(dataset, encoder) == COUNT + 1 - 12
    assert embed.embed(dataset, [encoder])["means.4"] == COUNT + 1 - 12
    assert len(stored.read(dataset, encoder).ids) == COUNT


def test_an_encoder_that_fails_ends_the_build_with_its_error(many):
    class Broken(Means):
        def _encode(self, batch):
            raise RuntimeError("no such layer")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no such layer"):
        embed.embed(library.open_dataset(str(many), fresh=True), [Broken()])
    assert threading.active_count() == before


def test_threads_that_begin_later_have_all_cores_again(many):
    torch = pytest.importorskip("torch")
    dataset, seen, before = (
        library.open_dataset(str(many), fresh=True),
        [],
        torch.get_num_threads(),
    )
    inside = [
        count
        for _, count in encoding.through(
            dataset, dataset.items, [Means()], lambda _: torch.get_num_threads()
        )
    ]
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert set(inside) == {1}
    assert torch.get_num_threads() == before
    assert seen == [before]


def test_the_command_says_where_the_time_went(many, here, monkeypatch):
    from core.cli import building

    monkeypatch.setattr(building, "TOLD", 1)
    arguments = ("build", "--dataset", str(many), "--encoders", "tiny.16x16")
    code, _, said = here(*arguments)
    assert code == 0
    assert all(f"{stage} " in said.partition("of the work")[2] for stage in encoding.STAGES)
    code, out, _ = here(*arguments, "--json")
    assert json.loads(out)[0]["spent_s"] == {}, "nothing was encoded now"
