"""Parts of a build that other machines make: what a worker does, without a cluster around it, and what a build
makes of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core import store
from core.datasets.paths import open_dataset
from core.encoders.base import encoders
from core.errors import UserError
from core.services.embedding import build, contents, embed, ray_build, stored
from core.services.embedding.encoding import stretches
from core.services.embedding.parquet_parts import Home, Rows, address, file_name, packed
from core.services.embedding.ray_worker import Probe, Task, Worker
from tests.plugged import numbered, paint

NAMES = ("tiny.16x16", "hsv.12x4x4")
ONE = ray_build.Cluster(cpus=1)
NODE = {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}


@pytest.fixture
def broken(pictures):
    """A folder of pictures with one that is none, and one that is cut."""
    (pictures / "cold" / "broken.png").write_bytes(b"not a picture")
    (pictures / "warm" / "cut.png").write_bytes((pictures / "warm" / "0.png").read_bytes()[:400])
    return open_dataset(str(pictures))


def run_of(dataset, shards="", cluster=ONE):
    """One pass of a build over a cluster of one machine that nobody asks for anything."""
    works = [embed._plan(dataset, encoders.get(name), shards) for name in NAMES]
    ray = SimpleNamespace(nodes=lambda: [NODE])
    run = ray_build._Run(ray, cluster, dataset, works, dataset.items, None)
    planned = run._stretches([work.encoder for work in works])
    return run, planned


def task_of(run, probe=None):
    made = [work.encoder for work in run.works]
    causes = tuple(store.fingerprint(encoder.fingerprint()) for encoder in made)
    homes = tuple(work.home for work in run.works)
    return Task(tuple(run.sources), tuple(made), causes, homes, probe, 1)


def worked(dataset, shards="", cluster=ONE):
    """As a cluster encodes: by a worker in this process."""
    run, planned = run_of(dataset, shards, cluster)
    worker = Worker(task_of(run))
    for stretch in planned:
        (reply,) = worker({"stretch": [stretch]})["reply"]
        assert reply.refused is None
        run._take(reply, stretch)
    run._flush()
    assert all(
        min(work.spent[stage] for stage in ("read", "encode", "write")) > 0 for work in run.works
    )


def folders():
    return {path.name: path for path in store.cache("embeddings").iterdir()}


FILES = ("ids.json", "keys.json", "skipped.json")


def held() -> dict[str, list[bytes]]:
    """Everything that finished embeddings hold."""
    return {
        name: [
            np.asarray(stored.vectors(path)).tobytes(),
            *((path / o).read_bytes() for o in FILES),
        ]
        for name, path in folders().items()
    }


@pytest.mark.parametrize("place", ["", "memory://parts", "folder"])
def test_what_workers_made_becomes_what_a_local_build_makes(
    place, broken, artifacts, tmp_path, monkeypatch
):
    build.build(broken, NAMES)
    local = held()
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "other"))
    shards = str(tmp_path / "parts") if place == "folder" else place
    worked(broken, shards)
    built = build.build(broken, NAMES, elsewhere=embed.Elsewhere(shards) if shards else None)
    assert [(one.pictures, one.skipped, one.encoded) for one in built] == [(12, 2, 0)] * 2
    assert local == held()
    copied = {(path / "vectors.npy").exists() for path in folders().values()}
    assert copied == {place != "folder"}, "parts in a folder are read where they lie"
    assert len(contents.known(broken.locator)) == 14, "no picture is read again to know its content"


def test_vectors_that_were_left_in_place_are_those_of_one_matrix(broken, tmp_path):
    worked(broken, str(tmp_path / "parts"))
    build.build(broken, NAMES[:1], elsewhere=embed.Elsewhere(str(tmp_path / "parts")))
    (path,) = folders().values()
    found = stored.vectors(path)
    whole = np.asarray(found)
    assert (found.shape, found.nbytes, len(found)) == (whole.shape, whole.nbytes, len(whole))
    mask = np.arange(len(whole)) % 3 == 0
    for index in (3, -1, slice(2, 9), slice(None), mask, np.array([[7, 0], [7, 11]]), [5, 5], []):
        np.testing.assert_array_equal(found[index], whole[index], err_msg=str(index))
    np.testing.assert_array_equal(found[:, :5], whole[:, :5])
    with pytest.raises(IndexError):
        found[len(whole)]


def test_vectors_whose_files_went_or_changed_are_not_opened(broken, tmp_path):
    """The embeddings count as absent, and what lies there still is not encoded again."""
    shards = str(tmp_path / "parts")
    worked(broken, shards)
    elsewhere = embed.Elsewhere(shards)
    build.build(broken, NAMES[:1], elsewhere=elsewhere)
    before, file = held(), sorted((tmp_path / "parts").rglob(f"{NAMES[0]}-*/*.parquet"))[0]
    os.utime(file, ns=(1, 1))
    with pytest.raises(UserError, match="has no embeddings"):
        stored.read(broken, encoders.get(NAMES[0]))
    (row,) = build.build(broken, NAMES[:1], elsewhere=elsewhere)
    assert (row.encoded, held()) == (0, before)
    file.unlink()
    (row,) = build.build(broken, NAMES[:1])
    assert row.encoded > 0
    assert held() == before


def test_pictures_that_come_are_added_to_what_was_left_in_place(broken, pictures, tmp_path):
    shards = str(tmp_path / "parts")
    worked(broken, shards)
    build.build(broken, NAMES[:1], elsewhere=embed.Elsewhere(shards))
    paint(pictures / "cold", ["new.png"])
    (row,) = build.build(open_dataset(str(pictures)), NAMES[:1])
    assert (row.pictures, row.encoded) == (13, 1)
    (path,) = folders().values()
    assert (path / "vectors.npy").exists(), "built here: one matrix"


def test_a_search_finds_in_vectors_that_came_as_parts(pictures, tmp_path, here):
    dataset, shards = open_dataset(str(pictures)), f"file://{tmp_path / 'parts'}"
    worked(dataset, shards)
    at = ("--dataset", str(pictures))
    code, out, _ = here("build", *at, "--encoders", NAMES[0], "--shards", shards, "--json")
    assert (code, '"encoded": 0' in out) == (0, True)
    code, out, _ = here("search", *at, "--encoder", NAMES[0], "--query", "id:warm/1.png", "-k", "3")
    assert code == 0
    assert "warm/" in out


def test_only_what_lies_there_is_not_encoded_again(broken, tmp_path):
    shards = str(tmp_path / "parts")
    worked(broken, shards)
    home = tmp_path / "parts" / broken.name
    lost = sorted(home.glob(f"{NAMES[0]}-*/*.parquet"))[0]
    lost.write_bytes(lost.read_bytes()[:-20])
    first, second = build.build(broken, NAMES, elsewhere=embed.Elsewhere(shards))
    assert first.encoded > 0, "a part that is cut counts as none"
    assert second.encoded == 0


def test_batches_are_those_of_a_local_build(tmp_path, monkeypatch):
    """Of 100 pictures, more than one worker process of a local build gets some."""
    monkeypatch.setattr("core.services.embedding.encoding.threads", lambda: 3)
    monkeypatch.setattr("core.encoders.base.Encoder.batch", 8)
    dataset = open_dataset(str(paint(tmp_path / "many", numbered(100))))
    run, planned = run_of(dataset)
    made = [work.encoder for work in run.works]
    size = min(encoder.batch for encoder in made)
    wanted = [
        [item.id for item in part[at : at + size]]
        for part in stretches(dataset.items, made)
        for at in range(0, len(part), size)
    ]
    assert len(wanted) == 3 * 5, "four of eight pictures, and what is left of a third"
    assert [[one.id for one in batch] for one in planned for batch in one.batches] == wanted
    assert [one.number for one in planned] == list(range(len(planned)))


@pytest.mark.parametrize("lacking", [(), (0,), (2,), (4,), (0, 1, 2, 3, 4)])
def test_a_part_keeps_vectors_and_reasons(lacking):
    vectors = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    reasons = ["it is broken" if row in lacking else None for row in range(5)]
    kept = np.delete(vectors, lacking, axis=0) if lacking else vectors
    keys = [f"{row:032x}" for row in range(5)]
    digests = [None, 2**64 - 1, 1, 2, 3]
    rows = Rows(["a", "b", "c", "d", "\u0444"], keys, digests, reasons, kept)
    home = Home("memory://kept")
    home.write(file_name(keys), packed(rows, {}))
    (part,) = home.parts(7)
    np.testing.assert_array_equal(part.source.vectors(), kept)
    assert part.keys == [key for row, key in enumerate(keys) if row not in lacking]
    assert part.skipped == {keys[row]: "it is broken" for row in lacking}
    assert part.contents == dict(list(zip(keys, digests, strict=True))[1:])
    assert home.parts(8) == [], "vectors of another length"


def test_a_part_whose_vectors_were_damaged_is_refused(tmp_path):
    keys, vectors = ["0" * 32], np.full((1, 64), 0.125, np.float32)
    data = packed(Rows(["a"], keys, [None], [None], vectors), {})
    assert data.count(vectors.tobytes()) == 1, "as they are in memory: neither packed nor encoded"
    home = Home(str(tmp_path))
    home.write(file_name(keys), data.replace(vectors.tobytes(), (vectors * 2).tobytes()))
    (part,) = home.parts(64)
    with pytest.raises(UserError, match="Delete this file"):
        part.source.vectors()


def test_a_worker_that_sees_other_pictures_refuses(pictures):
    run, planned = run_of(open_dataset(str(pictures)))
    first = planned[0].pictures[0]
    (reply,) = Worker(task_of(run, Probe(0, first.item, 1)))({"stretch": [planned[0]]})["reply"]
    assert "another picture" in reply.refused.given
    lost = replace(first.item, path=f"{first.item.path}.gone")
    (reply,) = Worker(task_of(run, Probe(0, lost, 1)))({"stretch": [planned[0]]})["reply"]
    assert "shared folder, or an object store" in str(reply.refused), "not told as broken"
    assert run._probe().digest == contents.digest(run.dataset.read(run.dataset.items[0]))


def test_a_worker_with_other_weights_refuses(pictures):
    run, planned = run_of(open_dataset(str(pictures)))
    other = replace(task_of(run), causes=("another", "another"))
    (reply,) = Worker(other)({"stretch": [planned[0]]})["reply"]
    assert "weights or its code differ" in reply.refused.given


def test_workers_get_no_listing(pictures):
    dataset = open_dataset(str(pictures))
    assert dataset.items
    bare = ray_build._bare(dataset)
    assert "_listing" not in vars(bare)
    assert bare.read(dataset.items[0]) == dataset.read(dataset.items[0])
    assert "_listing" in vars(dataset)


@pytest.mark.parametrize(
    ("cluster", "workers"),
    [
        (ray_build.Cluster(cpus=1), 2),
        (ray_build.Cluster(cpus=1, gpus=0.5), 2),
        (ray_build.Cluster(cpus=1, gpus=1), 1),
        (ray_build.Cluster(cpus=2, workers=5), 5),
    ],
)
def test_there_are_as_many_workers_as_there_is_room(cluster, workers, pictures):
    assert run_of(open_dataset(str(pictures)), cluster=cluster)[0].workers == workers


def test_a_worker_that_no_machine_can_hold_is_refused_where_none_can_come(pictures):
    run, _ = run_of(open_dataset(str(pictures)), cluster=ray_build.Cluster(cpus=1, gpus=2))
    with pytest.raises(UserError, match="no room for a worker with 1 CPUs and 2 GPUs"):
        run._wait_for_room()


def test_parts_of_one_encoder_lie_at_one_place_wherever_the_pictures_are(pictures, tmp_path):
    moved = shutil.copytree(pictures, tmp_path / "elsewhere" / pictures.name)
    encoder = encoders.get(NAMES[0])
    places = {address("s3://b/x/", open_dataset(str(one)), encoder) for one in (pictures, moved)}
    assert len(places) == 1
    assert places.pop().startswith("s3://b/x/pictures/tiny.16x16-")


def test_without_ray_a_build_says_what_to_install(pictures, here, monkeypatch):
    monkeypatch.setattr(ray_build.importlib.util, "find_spec", lambda name: None)
    at = ("build", "--dataset", str(pictures), "--encoders", NAMES[0])
    code, _, err = here(*at, "--engine", "ray")
    assert (code, "tools/engines/ray.txt" in err) == (1, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--address", "auto"), "--address was given without Ray"),
        (("--ray-gpus", "1"), "--ray-gpus was given without Ray"),
        (("--engine", "ray", "--ray-workers", "0"), "--ray-workers 0"),
        (("--engine", "ray", "--ray-gpus", "nan"), "--ray-gpus nan"),
        (("--shards", "https://example.org/x"), "web address"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, words, pictures, here):
    code, _, err = here("build", "--dataset", str(pictures), "--encoders", NAMES[0], *options)
    assert (code, words in err) == (1, True), err


def test_the_code_is_sent_and_what_was_made_here_is_not(tmp_path):
    for name in ("core/a.py", "artifacts/models/m/w", "artifacts/cache/x", "docs/a.md", ".env"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    left = set(ray_build._all_but(tmp_path, ray_build.SENT))
    assert left == {"__pycache__/", "/artifacts/cache", "/docs", "/.env"}


def test_a_picture_that_went_is_not_told_as_broken(pictures):
    """As in a local build: it has neither a vector nor a reason, and the build says that it went."""
    dataset = open_dataset(str(pictures))
    assert dataset.items
    (pictures / "warm" / "3.png").unlink()
    worked(dataset)
    with pytest.raises(UserError, match="went while"):
        build.build(dataset, NAMES)
