"""Whatever is kept can be blank, cut, changed or of another version: it counts as absent, is built
again, and the doctor tells.

Every kind of entry x every file of the entry, each by one of the harms in turn, at places drawn by
a seeded generator. All harms at each of them (minutes) are marked slow.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.errors import UserError
from core.indexes.base import indexes
from core.services import damage, doctor, jobs
from core.services.embedding import build, contents, galleries, stored, usual
from core.services.embedding.bound import prepared
from core.services.embedding.stored import Shards
from core.services.evaluation import cells, health, latency, perturb, probes, reports
from core.services.index_lab import measure, point, space, waterfall
from core.services.library import library, uploads
from core.services.maps import atlas, maps
from core.services.search import serving
from core.services.specs import EXACT, index_spec
from core.training.runs import Run
from core.training.sources import cached_pictures
from core.weights import files as weights
from tests.plugged import paint

NAME, SEED = "counting.test", 20
PICTURES = [
    f"{label}/{number}.png" for label in ("ape", "bee", "cat", "dog") for number in range(28)
]
NEED_MORE = ("pq", "ivf_pq")
"""Indexes that can't be trained on so few pictures; they are read like the other ones of faiss."""
INDEXES = [
    name
    for name in indexes.names()
    if indexes.get(name).state().kind == "ready" and name not in NEED_MORE
]


@dataclass
class World:
    folder: Path

    @property
    def dataset(self):
        return library.open_dataset(str(self.folder), fresh=True)

    def encoder(self, name: str = NAME):
        return prepared(self.dataset, name).loaded()

    def embeddings(self):
        build.build(self.dataset, [NAME])
        return stored.read(self.dataset, self.encoder())


def _embeddings(world: World):
    found = world.embeddings()
    return found.ids, np.asarray(found.vectors).tobytes()


def _index(name: str) -> Callable[[World], object]:
    def ask(world: World):
        index, rows = galleries.gallery_index(world.dataset, world.encoder(), name)
        return (
            index.size,
            rows.tolist(),
            index.search(np.asarray(world.embeddings().vectors[:3]), 5).ids.shape,
        )

    return ask


def _fit(world: World):
    return world.encoder("fitted.test").fingerprint()["mean"]


def _map(world: World):
    try:
        return _drawn(world)
    except (
        UserError
    ):  # where a new picture belongs can't be told: the page says so, and the map is absent then
        return _drawn(world)


def _drawn(world: World):
    wanted = maps.Wanted(NAME, "pca")
    found = maps.read(world.dataset, wanted, maps.build(world.dataset, wanted))
    place = maps.projection_of(found, world.embeddings().vectors).transform(
        np.asarray(world.embeddings().vectors[:2])
    )
    return (
        found.ids,
        found.positions.tobytes(),
        found.clusters.tobytes(),
        found.facts["clusters"],
        place.tobytes(),
    )


def _atlas(world: World):
    return atlas.get(world.dataset)


def _scores(world: World):
    made = cells.cell(world.dataset, NAME, world.dataset.protocol(), EXACT)
    return made.queries.tolist(), made.means()


def _usual(world: World):
    found = world.embeddings()
    return usual.usual(world.dataset, world.encoder(), found, np.arange(len(found.ids)))


def _latency(world: World):
    return sorted(latency.measured(world.dataset, NAME, EXACT))


def _hashes(world: World):
    return contents.content_hash(world.dataset), contents.digests(world.dataset).tolist()


def _pictures(world: World):
    pictures, rows = cached_pictures(world.dataset, world.dataset.items, 16)
    return pictures.tobytes(), rows.tolist()


def _point(world: World):
    made, spec = {"of": "test"}, index_spec("exact")
    if point.measured_here(made, spec, 10) is None:
        figures = dict.fromkeys(
            ("recall", "worst", "p50", "p95", "batch_p50", "batch_p95", "build_s"), 1.0
        )
        counts = dict.fromkeys(
            ("size", "real", "dim", "k", "queries", "ram_bytes", "disk_bytes"), 1
        )
        point.keep(
            made,
            spec,
            10,
            point.Point("exact", "Exact", "exact", {}, {}, exact=True, **figures, **counts),
            {},
        )
    return point.measured_here(made, spec, 10)


def _pilot(world: World):
    made = measure.pilot(index_spec("exact"), np.asarray(world.embeddings().vectors), 112)
    return made.sizes, made.ram


def _waterfall(world: World):
    made = waterfall.waterfall(
        world.dataset, NAME, chain=waterfall.Chain(8, "int8", 0, "exact"), k=5
    )
    return [(stage.name, stage.recall) for stage in made.stages]


def _kernel(world: World):
    made, like = space.kernel(
        world.dataset, world.encoder(), np.asarray(world.embeddings().vectors)
    )
    return made.near.tolist(), made.width, like


KINDS: dict[str, Callable[[World], object]] = {
    "embeddings": _embeddings,
    "fits": _fit,
    "maps": _map,
    "maps of pictures": _atlas,
    "scores": _scores,
    "usual": _usual,
    "health": lambda world: health.health(world.dataset, NAME),
    "probes": lambda world: probes.probe(world.dataset, NAME),
    "robustness": lambda world: perturb.robustness(world.dataset, NAME, 3, ("blur",)),
    "latency": _latency,
    "hashes": _hashes,
    "pictures": _pictures,
    "lab": _point,
    "pilots": _pilot,
    "waterfalls": _waterfall,
    "kernels": _kernel,
    **{f"indexes of {name}": _index(name) for name in INDEXES},
}
"""Kind of entry -> what asks for it, and so has it built."""


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> Path:
    return paint(tmp_path_factory.mktemp("damage") / "gallery", PICTURES)


@pytest.fixture
def world(painted, counting, fitted, monkeypatch) -> World:
    monkeypatch.setattr(latency, "LIMIT_S", 0.01)
    made = World(painted)
    made.embeddings()
    return made


def blank(data: bytes, draw: random.Random) -> bytes:
    return bytes(len(data))


def blank_page(data: bytes, draw: random.Random) -> bytes:
    """A page of the file, as the disk counts them, was never written."""
    start = draw.randrange(0, len(data), 4096)
    return data[:start] + bytes(len(data[start : start + 4096])) + data[start + 4096 :]


def empty(data: bytes, draw: random.Random) -> bytes:
    return b""


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(1, len(data))]


def flipped(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


HARMS = {
    "blank": blank,
    "blank page": blank_page,
    "empty": empty,
    "cut": cut,
    "cut elsewhere": cut,
    "bit": flipped,
}


def put(path: Path, data: bytes) -> None:
    """As another file of the same name: what a process remembers of the one before does not
    count."""
    path.unlink()
    path.write_bytes(data)


def entry_of(kind: str, before: set[Path]) -> Path:
    """The entry that was made since."""
    (made,) = {entry.path for entry in store.entries(kind.split(" of ")[0])} - before
    return made


def forget() -> None:
    serving._engines.clear()
    stored._unpacked.cache_clear()


def ready_entry(kind: str, world: World) -> tuple[Path, object]:
    known = (
        {entry.path for entry in store.entries()}
        if kind not in ("embeddings", "indexes of exact", "usual")
        else set()
    )
    answer = KINDS[kind](world)
    return entry_of(kind, known), answer


def damage_and_ask(kind: str, world: World, harms: Callable[[int], list[str]]) -> None:
    """Do one harm after the other to each file of an entry; ``harms(n)`` names those of the n-th
    file."""
    entry, answer = ready_entry(kind, world)
    draw = random.Random(f"{SEED} {kind}")
    for number, name in enumerate(sorted(store.states(entry))):
        for told in harms(number):
            whole = (entry / name).read_bytes()
            if (harmed := HARMS[told](whole, draw)) == whole:
                harmed = cut(whole, draw)
            put(entry / name, harmed)
            where = f"{name}, {told}"
            assert store.find(entry.parent.name, entry.name) is None, where
            assert [one.where for one in damage.entries()] == [
                f"cache/{entry.parent.name}/{entry.name}"
            ], where
            forget()
            assert KINDS[kind](world) == answer, where
            assert store.find(entry.parent.name, entry.name) == entry, (
                f"{where}: it was not built again"
            )
    assert list(damage.entries()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_entry_counts_as_absent_and_is_built_again(kind, world):
    """Every file of every kind of entry by one harm, in turn; all of them at each is the next
    test."""
    turn = list(KINDS).index(kind)
    damage_and_ask(kind, world, lambda number: [list(HARMS)[(turn + number) % len(HARMS)]])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_harm_to_every_file_of_every_entry(kind, world):
    damage_and_ask(kind, world, lambda number: list(HARMS))


@pytest.mark.parametrize("harm", HARMS)
def test_every_harm_to_every_file_of_one_entry(harm, world):
    damage_and_ask("scores", world, lambda number: [harm])


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_another_version_is_built_again(kind, world):
    """Files that are whole and mean something else: the checksums hold, so the reader has to
    notice."""
    entry, answer = ready_entry(kind, world)
    for name in sorted(store.states(entry)):
        if Path(name).suffix not in (".json", ".npy", ".npz") or name in UNREAD.get(kind, ()):
            continue
        meta = store.read_meta(entry)
        put(entry / name, other_version(name))
        if name != store.META:
            store.write_meta(entry, meta)
        forget()
        assert KINDS[kind](world) == answer, name
        assert (entry / name).read_bytes() != other_version(name), f"{name} was not written again"


UNREAD: dict[str, tuple[str, ...]] = {
    "embeddings": ("keys.json", "skipped.json"),
    "fits": ("mean.npy",),
    **dict.fromkeys(("maps", "indexes of hnsw", "indexes of ivf_flat"), ("keys.npy",)),
}
"""Files that the question here does not need, names of pictures that are not there, and arrays that
only the encoder knows: its version is among the causes. Keys of maps and indexes are asked when
pictures come or go, and what can't be read of them is then built again."""


def other_version(name: str) -> bytes:
    if name.endswith(".json"):
        return json.dumps({"version": 99}).encode()
    to, array = io.BytesIO(), np.zeros((3, 2, 1), np.int8)
    np.savez(to, other=array) if name.endswith(".npz") else np.save(to, array)
    return to.getvalue()


@pytest.mark.parametrize(
    "name", ["vectors.npy", "keys.json", "ids.json", "skipped.json", "meta.json"]
)
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_rows_of_damaged_embeddings_are_not_taken_over_when_pictures_come(
    name, harm, counting, tmp_path
):
    folder = paint(tmp_path / "gallery", PICTURES[:12])
    (made,) = build.build(library.open_dataset(str(folder)), [NAME])
    put(made.path / name, harm((made.path / name).read_bytes(), random.Random(SEED)))
    paint(folder, PICTURES[12:13])
    build.build(library.open_dataset(str(folder), fresh=True), [NAME])
    found = stored.read(library.open_dataset(str(folder)), counting())
    shutil.rmtree(store.root())
    build.build(library.open_dataset(str(folder), fresh=True), [NAME])
    assert np.array_equal(
        found.vectors, stored.read(library.open_dataset(str(folder)), counting()).vectors
    )


def _list() -> Path:
    library._keep_list(["somewhere"])
    return store.root() / "library" / "datasets.json"


def _report() -> Path:
    return reports.Report("mine", 0.0, (), (), ()).save() / "report.json"


def _job() -> Path:
    store.write_text(
        store.root() / "runs" / JOB / "job.json",
        json.dumps({"title": "t", "arguments": [], "started": 1.0}),
    )
    return store.root() / "runs" / JOB / "job.json"


def _config() -> Path:
    store.write_text(
        store.root() / "runs" / "train-mine" / "config.json",
        json.dumps({"settings": {}, "created": 1.0}),
    )
    return store.root() / "runs" / "train-mine" / "config.json"


def _weights() -> Path:
    store.write_bytes(weights.folder("net.mine") / weights.USUAL, b"weights" * 9)
    return weights.folder("net.mine") / weights.USUAL


JOB = "20260101-000000-000000"
FILES: dict[str, tuple[Callable[[], Path], Callable[[], object], object]] = {
    "list of data sets": (_list, library.added, []),
    "report": (_report, lambda: "mine" in reports.listing(), False),
    "job": (_job, jobs.listing, []),
    "run": (_config, lambda: Run("train-mine").created, 0.0),
    "weights": (_weights, lambda: weights.found("net.mine"), None),
}
"""A file that nothing can build again: written, asked for, and the answer where it is blank."""


@pytest.mark.parametrize("name", FILES)
def test_the_doctor_names_blank_files_and_they_count_as_absent(name, artifacts):
    written, ask, absent = FILES[name]
    path = written()
    assert ask() != absent
    assert damage.examine() == []
    put(path, bytes(path.stat().st_size))
    assert ask() == absent
    (found,) = damage.examine()
    assert path.relative_to(artifacts).as_posix().startswith(found.where)
    row = next(row for row in doctor.examine() if found.where in row["detail"])
    assert row["state"] == ("note" if found.rebuilt else "broken")


@pytest.mark.parametrize("harm", [b"", bytes(40), b"{", b"null", b'{"a": 1}'])
def test_a_list_that_cannot_be_read_is_put_aside_and_not_written_over(harm, tmp_path):
    put(_list(), harm)
    folder = paint(tmp_path / "gallery", PICTURES[:2])
    library.add_folder(str(folder))
    assert library.added() == [str(folder)]
    (aside,) = (store.root() / "library").glob("datasets-damaged-*.json")
    assert aside.read_bytes() == harm


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
@pytest.mark.parametrize("name", ["vectors.npy", "keys.json", "meta.json"])
def test_a_damaged_part_of_an_unfinished_build_is_passed_over(name, harm, tmp_path):
    parts = Shards(tmp_path / "parts", 3, {})
    for key in ("a", "b"):
        parts.add([key], np.ones((1, 3), np.float32), {})
        parts.flush()
    first = parts.parts()[0][0].parent
    put(first / name, harm((first / name).read_bytes(), random.Random(SEED)))
    assert [keys for _, keys, _ in parts.parts()] == [["b"]]


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_upload_is_no_longer_there(harm, world):
    token = uploads.keep((world.folder / PICTURES[0]).read_bytes())
    path = store.cache("uploads") / token
    put(path, harm(path.read_bytes(), random.Random(SEED)))
    with pytest.raises(UserError, match="no longer"):
        uploads.read(token)
    assert uploads.keep((world.folder / PICTURES[0]).read_bytes()) == token
    assert uploads.read(token)


def test_files_are_on_the_disk_before_they_get_their_names(artifacts, monkeypatch):
    """In the order of the calls: content, folder, name, and the folder that holds the name."""
    calls: list[tuple[str, str]] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(handle):
        calls.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).name.split("-")[0]))
        sync(handle)

    def noted_replace(source, target):
        calls.append(("name", Path(target).name.split("-")[0]))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    folder = store.get_or_build(
        "maps", {"a": 1}, lambda path: (path / "b.bin").write_bytes(b"1") and None
    )
    assert sorted(calls[:2]) == [("sync", "b.bin"), ("sync", "meta.json")]
    assert calls[2:] == [("sync", ".new"), ("name", folder.name), ("sync", "maps")]
    calls.clear()
    store.write_text(artifacts / "note.json", "{}")
    assert [kind for kind, _ in calls] == ["sync", "name", "sync"]
    calls.clear()
    store.write_text(artifacts / "note.json", "{}", durable=False)
    assert [kind for kind, _ in calls] == ["name"]
    calls.clear()
    store.kept("maps", {"a": 2}, lambda path: None, lambda path: path, durable=False)
    assert [kind for kind, _ in calls] == ["name"]
