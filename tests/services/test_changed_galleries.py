"""What a build does when pictures came, went, changed, broke or were repaired since the last
one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core import store
from core.errors import Cancelled, UserError
from core.images import decode_file
from core.services.embedding import stored
from core.services.embedding.bound import is_built, prepared
from core.services.embedding.build import build
from core.services.library import library
from tests.plugged import numbered, paint


def built(folder, progress=None):
    """Build anew from what lies in the folder now."""
    dataset = library.open_dataset(str(folder), fresh=True)
    (row,) = build(dataset, ["counting.test"], progress=progress)
    return dataset, row, stored.read(dataset, prepared(dataset, "counting.test").loaded())


def alone(folder, name: str) -> np.ndarray:
    """The vector of one picture, by the encoder itself."""
    dataset = library.open_dataset(str(folder), fresh=True)
    encoder = prepared(dataset, "counting.test").loaded()
    return encoder.encode([decode_file(folder / name)])[0]


def test_new_pictures_encode_only_themselves(counting, gallery):
    built(gallery)
    assert len(counting.seen) == 20
    paint(gallery, numbered(1, start=500))
    paint(gallery, ["00000-before.png"])
    counting.seen.clear()
    _, row, found = built(gallery)
    assert (row.pictures, row.encoded, len(counting.seen)) == (22, 2, 2)
    for name, vector in zip(found.ids, found.vectors, strict=True):
        np.testing.assert_array_equal(vector, alone(gallery, name), err_msg=name)


def test_one_percent_new_pictures_are_one_percent_of_the_work(counting, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(90))
    built(folder)
    paint(folder, numbered(1, start=700))
    counting.seen.clear()
    _, row, _ = built(folder)
    assert row.encoded == len(counting.seen) == 1


def test_removed_pictures_drop_out(counting, gallery):
    built(gallery)
    (gallery / "00003.png").unlink()
    counting.seen.clear()
    _, row, found = built(gallery)
    assert (row.pictures, row.encoded, counting.seen) == (19, 0, [])
    assert "00003.png" not in found.ids


def test_a_picture_with_new_bytes_is_encoded_again(counting, gallery):
    _, _, before = built(gallery)
    old = np.array(before.vectors[7])
    paint(gallery, ["00007.png"], seed=9)
    counting.seen.clear()
    _, row, found = built(gallery)
    assert row.encoded == len(counting.seen) == 1
    assert found.ids[7] == "00007.png"
    assert not np.allclose(found.vectors[7], old)
    np.testing.assert_array_equal(found.vectors[7], alone(gallery, "00007.png"))


def test_what_is_replaced_does_not_stay_on_disk(counting, gallery):
    built(gallery)
    for seed in range(1, 4):
        paint(gallery, ["00001.png"], seed=seed)
        built(gallery)
    assert len(store.entries("embeddings")) == 1
    assert len(store.entries("indexes")) == 1
    assert store.entries("partial") == []


def test_broken_pictures_are_skipped_and_listed_with_the_reason(counting, gallery, artifacts):
    (gallery / "a-empty.png").write_bytes(b"")
    (gallery / "b-text.jpg").write_text("not a picture")
    (gallery / "c-cut.png").write_bytes((gallery / "00000.png").read_bytes()[:200])
    dataset, row, found = built(gallery)
    assert (row.pictures, row.skipped) == (20, 3)
    reasons = {one.id: one.reason for one in found.skipped}
    assert reasons.keys() == {"a-empty.png", "b-text.jpg", "c-cut.png"}
    assert "empty" in reasons["a-empty.png"]
    assert "not a picture" in reasons["b-text.jpg"]
    assert "damaged" in reasons["c-cut.png"]
    assert is_built(dataset, "counting.test")
    rows = library.skipped_rows(dataset.locator)
    assert {one["picture"]: one["reason"] for one in rows} == reasons
    assert library.skipped_rows(dataset.locator, "counting.test") == rows


def test_broken_pictures_are_remembered_and_a_repaired_one_is_tried_again(counting, gallery):
    (gallery / "bad.png").write_bytes(b"broken")
    (gallery / "worse.png").write_bytes(b"broken too")
    built(gallery)
    paint(gallery, ["good.png"])
    counting.seen.clear()
    _, row, found = built(gallery)
    assert (row.encoded, row.skipped, len(counting.seen)) == (1, 2, 1), (
        "the broken ones are not tried again"
    )
    paint(gallery, ["bad.png"])
    _, row, found = built(gallery)
    assert (row.encoded, row.skipped) == (1, 1)
    assert "bad.png" in found.ids
    assert [one.id for one in found.skipped] == ["worse.png"]


def test_a_gallery_of_broken_pictures_is_an_error_with_the_reason(counting, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no")
    for _ in range(2):
        with pytest.raises(UserError, match=r"None of the 2 pictures.*a\.png"):
            built(folder)
    paint(folder, ["c.png"])
    assert built(folder)[1].pictures == 1


def test_a_picture_that_one_encoder_can_not_prepare_is_skipped_by_it_alone(
    counting, gallery, monkeypatch
):
    def choosy(self, image):
        if image[0, 0].sum() % 2:
            raise ValueError("odd pictures are not for me")
        return plain(self, image)

    plain = counting.prepare
    monkeypatch.setattr(counting, "prepare", choosy)
    dataset = library.open_dataset(str(gallery), fresh=True)
    mine, other = build(dataset, ["counting.test", "tiny.16x16"])
    assert 0 < mine.skipped < 20
    assert mine.pictures + mine.skipped == 20
    assert (other.pictures, other.skipped) == (20, 0)
    assert "odd pictures" in library.skipped_rows(dataset.locator, "counting.test")[0]["reason"]


def test_progress_says_stop_and_finished_work_is_kept(counting, gallery):
    def stop(done: int, total: int) -> bool:
        return done < 8

    with pytest.raises(Cancelled):
        built(gallery, progress=stop)
    assert 8 <= len(counting.seen) < 20
    kept = len(counting.seen)
    (entry,) = store.entries("partial")
    assert entry.meta["encoder_name"] == "counting.test"
    _, row, _ = built(gallery)
    assert row.encoded == 20 - kept
    assert len(set(counting.seen)) == len(counting.seen) == 20


def test_an_abandoned_build_can_be_deleted(counting, gallery):
    with pytest.raises(Cancelled):
        built(gallery, progress=lambda done, total: done < 8)
    (row,) = [row for row in library.cache_rows() if row["kind"] == "partial"]
    assert row["encoder"] == "counting.test"
    assert library.delete_cache(row["kind"], row["key"]) > 0
    counting.seen.clear()
    assert built(gallery)[1].encoded == 20


def test_a_damaged_part_counts_as_not_there(counting, gallery):
    with pytest.raises(Cancelled):
        built(gallery, progress=lambda done, total: done < 8)
    (part,) = store.cache("partial").glob("*/part-*")
    (part / "vectors.npy").write_bytes(b"cut")
    assert built(gallery)[1].encoded == 20


def test_progress_goes_from_none_to_all(counting, gallery):
    told = []
    built(gallery, progress=lambda done, total: told.append((done, total)) or True)
    told = [one for one in told if one[1]]  # before them, a stage that can't be counted: loading
    assert told[0] == (0, 20)
    assert told[-1] == (20, 20)
    assert told == sorted(told)


def test_a_wrong_index_is_told_before_anything_is_encoded(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    with pytest.raises(UserError, match="index"):
        build(dataset, ["counting.test"], "exakt")
    with pytest.raises(UserError, match="knob"):
        build(dataset, ["counting.test"], "exact", lists=4)
    with pytest.raises(UserError, match=r"counting\.test"):
        build(dataset, ["counting.test", "countin.test"])
    with pytest.raises(UserError, match="No encoder"):
        build(dataset, [])
    assert counting.seen == []


def test_several_encoders_see_what_each_sees_alone(counting, photographs, tmp_path, monkeypatch):
    """One pass for all decodes once for each wanted size: nobody's vectors depend on the
    company."""
    source = sorted((photographs / "clothing" / "test").rglob("*.jpg"))[:12]
    folder = tmp_path / "clothes"
    folder.mkdir()
    for place, path in enumerate(source):
        (folder / f"{place}.jpg").write_bytes(path.read_bytes())
    names = ["counting.test", "tiny.16x16", "hsv.12x4x4"]
    found = {}
    for home, groups in (("together", [names]), ("alone", [[name] for name in names])):
        monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / home))
        dataset = library.open_dataset(str(folder), fresh=True)
        for group in groups:
            build(dataset, group)
        found[home] = [
            np.array(stored.read(dataset, prepared(dataset, name).loaded()).vectors)
            for name in names
        ]
    for one, other in zip(found["together"], found["alone"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_worker_processes_give_the_vectors_of_one_process(counting, tmp_path, monkeypatch):
    from core.services.embedding import encoding

    folder = paint(tmp_path / "many", numbered(130))
    (folder / "bad.png").write_bytes(b"bad")
    _, row, parallel = built(folder)
    monkeypatch.setattr(encoding, "SMALL", 10_000)
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "one"))
    _, _, single = built(folder)
    assert (row.pictures, row.skipped) == (130, 1)
    assert parallel.ids == single.ids
    np.testing.assert_array_equal(parallel.vectors, single.vectors)


def test_finished_embeddings_list_ids_in_the_order_of_the_dataset(counting, gallery):
    dataset, row, found = built(gallery)
    assert list(found.ids) == [item.id for item in dataset.items]
    assert json.loads((row.path / "ids.json").read_text()) == list(found.ids)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0, rtol=1e-6)
