"""What a build takes over when pictures moved, came or went: vectors by content, indexes, maps."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np

from core import store
from core.services.embedding import galleries, stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.library import library
from tests.plugged import numbered, paint


def built(place, index="exact"):
    dataset = library.open_dataset(str(place), fresh=True)
    (row,) = build(dataset, ["counting.test"], index)
    return dataset, row, stored.read(dataset, prepared(dataset, "counting.test").encoder)


def zipped(folder, path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(folder / name, name)
    return path


def test_a_picture_that_was_moved_or_touched_is_not_encoded_again(counting, gallery):
    _, _, before = built(gallery)
    rows = dict(zip(before.ids, np.array(before.vectors), strict=True))
    (gallery / "00004.png").rename(gallery / "moved.png")
    (gallery / "00005.png").touch()
    shutil.copyfile(gallery / "00006.png", gallery / "copied.png")
    counting.seen.clear()
    _, row, after = built(gallery)
    assert (row.pictures, row.encoded, counting.seen) == (21, 0, [])
    came = dict(zip(after.ids, after.vectors, strict=True))
    for new, old in (("moved.png", "00004.png"), ("00005.png",) * 2, ("copied.png", "00006.png")):
        np.testing.assert_array_equal(came[new], rows[old])


def test_a_zip_with_more_pictures_is_encoded_as_far_as_it_is_new(counting, gallery, tmp_path):
    names = sorted(path.name for path in gallery.iterdir())
    built(zipped(gallery, tmp_path / "one.zip", names[:15]))
    counting.seen.clear()
    _, row, _ = built(zipped(gallery, tmp_path / "two.zip", names))
    assert (row.pictures, row.encoded, len(counting.seen)) == (20, 5, 5)


def test_bytes_that_changed_are_encoded_whatever_they_are_called(counting, gallery):
    built(gallery)
    paint(gallery, ["00003.png"], seed=77)
    counting.seen.clear()
    _, row, _ = built(gallery)
    assert row.encoded == len(counting.seen) == 1


def test_vectors_and_exact_index_are_those_of_a_fresh_build(
    counting, gallery, tmp_path, monkeypatch
):
    built(gallery)
    paint(gallery, ["00010-new.png", "zz.png"], seed=5)
    (gallery / "00001.png").unlink()
    (gallery / "00002.png").rename(gallery / "00019-moved.png")
    dataset, _, found = built(gallery)
    encoder = prepared(dataset, "counting.test").encoder
    index, rows = galleries.gallery_index(dataset, encoder)
    ours = found.ids, np.array(found.vectors), np.array(index.rows(np.arange(index.size)))
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "fresh"))
    dataset, row, found = built(gallery)
    assert row.encoded == 21
    index, fresh_rows = galleries.gallery_index(dataset, encoder)
    assert ours[0] == found.ids
    np.testing.assert_array_equal(ours[1], found.vectors)
    np.testing.assert_array_equal(ours[2], index.rows(np.arange(index.size)))
    np.testing.assert_array_equal(rows, fresh_rows)


def test_indexes_that_can_follow_do_and_replace_their_earlier_ones(counting, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(60))
    built(folder, "ivf_flat")
    built(folder, "hnsw")
    paint(folder, ["00030-new.png", "a.png"], seed=3)
    dataset, _, found = built(folder)
    kept = {entry.meta["index_name"]: entry.meta for entry in store.entries("indexes")}
    assert set(kept) == {"exact", "hnsw", "ivf_flat"}
    assert all(meta["rows"] == 62 for meta in kept.values())
    assert kept["ivf_flat"]["followed"]
    assert kept["hnsw"]["followed"]
    encoder = prepared(dataset, "counting.test").encoder
    new = found.ids.index("00030-new.png")
    for name in ("hnsw", "ivf_flat"):
        index, rows = galleries.gallery_index(dataset, encoder, name)
        hits = index.search(np.array(found.vectors[new : new + 1]), 3)
        assert rows[hits.ids[0, 0]] == new, name
    (folder / "00007.png").unlink()
    built(folder)
    kept = {entry.meta["index_name"]: entry.meta for entry in store.entries("indexes")}
    assert kept["ivf_flat"]["followed"]
    assert not kept["hnsw"]["followed"], "no graph lets one go"
    assert all(meta["rows"] == 61 for meta in kept.values())
