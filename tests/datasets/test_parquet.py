from __future__ import annotations

import os
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.datasets.names import HIDDEN
from core.datasets.parquet import BATCH, Parquet, split_of
from core.datasets.parquet_columns import Columns
from core.datasets.paths import open_path
from core.errors import UserError
from core.images import MAX_BYTES
from tests.datasets.layouts import folder, hub_parquet, parquet, peak_memory, picture


def test_as_on_the_hub(tmp_path):
    dataset = open_path(hub_parquet(tmp_path))
    expected = [*(f"test-00000-of-00001/{i:06d}" for i in range(3)), "train-00000-of-00002/000000"]
    assert [item.id for item in dataset.items[:4]] == expected
    assert {(item.split, item.label) for item in dataset.items} == {
        (s, c) for s in ("train", "test") for c in ("cat", "dog")
    }
    protocol = dataset.protocol()
    assert (protocol.name, protocol.gallery, protocol.queries) == ("class", ("train",), ("test",))
    for item in dataset.items:
        assert dataset.read(item) == picture(f"{item.id.split('/')[0]}{int(item.id.split('/')[1])}")


def test_random_order_is_as_right_as_order(tmp_path):
    count = 3 * BATCH + 7
    path = parquet(
        tmp_path / "p.parquet",
        {"image": [str(i).encode() for i in range(count)]},
        rows_a_group=BATCH + 50,
    )
    dataset = Parquet(path)
    items = list(dataset.items)
    assert [dataset.read(item) for item in items] == [str(i).encode() for i in range(count)]
    random.Random(0).shuffle(items)
    assert [dataset.read(item) for item in items] == [
        str(int(item.id.split("/")[1])).encode() for item in items
    ]


def test_labels_by_number_get_the_names_beside_them(tmp_path):
    columns = {
        "image": [picture(0), picture(1)],
        "label": [0, 1],
        "name": ["goldfish", "tench"],
        "wnid": ["n1", "n2"],
    }
    first, second = Parquet(parquet(tmp_path / "p.parquet", columns)).items
    assert (first.label, second.label) == ("goldfish", "tench")
    assert dict(first.attributes) == {"wnid": "n1"}
    del columns["name"]
    assert [item.label for item in Parquet(parquet(tmp_path / "p.parquet", columns)).items] == [
        "0",
        "1",
    ]


def test_fields_ids_and_attributes(tmp_path):
    columns = {
        "id": ["x", "y", "x"],
        "image": [picture(i) for i in range(3)],
        "instance": ["a", "a", "b"],
        "category": ["c", None, "c"],
        "split": ["train", "test", "train"],
        "price": [1.5, None, 2.0],
        "colours": [["red"], ["red", "blue"], []],
        "vector": [[0.0, 1.0]] * 3,
        "thumb": [b"1", b"2", b"3"],
    }
    dataset = Parquet(parquet(tmp_path / "p.parquet", columns))
    first, second = dataset.items
    assert (first.id, first.instance, first.category, first.split) == ("x", "a", "c", "train")
    assert dict(first.attributes) == {"price": 1.5, "colours": ("red",)}
    assert dict(second.attributes) == {"colours": ("red", "blue")}
    assert dataset.skipped[0].reason == "another row has this id"
    assert dataset.read(second) == picture(1)


def test_hidden_labels_of_a_test_split(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a"]}}
    path = parquet(
        tmp_path / "p.parquet", {"image": [picture(0), picture(1)], "label": [0, -1]}, features
    )
    assert [item.label for item in Parquet(path).items] == ["a", None]


def test_rows_without_bytes_fail_alone(tmp_path):
    images = [{"bytes": picture(0), "path": None}, {"bytes": None, "path": "elsewhere.png"}, None]
    dataset = Parquet(parquet(tmp_path / "p.parquet", {"image": images}))
    assert dataset.read(dataset.items[0]) == picture(0)
    for item in dataset.items[1:]:
        with pytest.raises(UserError, match="holds no picture"):
            dataset.read(item)


def test_what_lies_behind_a_picture_does_not_count(tmp_path, monkeypatch):
    limit = len(picture(1)) + 100
    monkeypatch.setattr("core.images.MAX_BYTES", limit)
    dataset = Parquet(parquet(tmp_path / "p.parquet", {"image": [picture(1) + bytes(limit)]}))
    assert dataset.read(dataset.items[0]) == picture(1)


def test_a_picture_that_is_too_large_fails_alone(tmp_path):
    dataset = Parquet(
        parquet(tmp_path / "p.parquet", {"image": [bytes(MAX_BYTES + 1), picture(1)]})
    )
    with pytest.raises(UserError, match="At most"):
        dataset.read(dataset.items[0])
    assert dataset.read(dataset.items[1]) == picture(1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vector": [[1.0, 2.0]], "id": ["a"]}, "no column of pictures"),
        ({"a": [b"x"], "b": [b"y"]}, "no column of pictures"),
    ],
)
def test_what_holds_no_pictures(tmp_path, columns, message):
    with pytest.raises(UserError, match=message):
        _ = Parquet(parquet(tmp_path / "p.parquet", columns)).items


def test_a_damaged_file_does_not_hide_the_others(tmp_path):
    hub_parquet(tmp_path)
    bad = tmp_path / "train-00001-of-00002.parquet"
    bad.write_bytes(bad.read_bytes()[:-20])
    (tmp_path / "train-x.parquet").write_bytes(b"")
    dataset = open_path(tmp_path)
    assert len(dataset.items) == 8
    assert len(dataset.skipped) == 2


def test_what_lies_beside_parquet_is_listed(tmp_path):
    hub_parquet(tmp_path / "set")
    expected = {
        ".hidden.parquet": HIDDEN,
        ".git": HIDDEN,
        "README.md": "no Parquet",
        "a/b/c/d": "three folders",
    }
    expected["away"] = "link"
    for name in ("README.md", ".hidden.parquet", ".git/x.parquet", "a/b/c/d/deep.parquet"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    (tmp_path / "set" / "away").symlink_to(tmp_path)
    found = {
        os.path.relpath(one.id, tmp_path / "set"): one.reason
        for one in Parquet(tmp_path / "set").skipped
    }
    assert found.keys() == expected.keys()
    assert all(why in found[name] for name, why in expected.items())


def test_rows_behind_damage_are_listed_one_by_one(tmp_path, monkeypatch):
    path = parquet(
        tmp_path / "p.parquet", {"image": [picture(i) for i in range(6)], "label": list("abcdef")}
    )
    rows = Columns.rows

    def broken(self):
        for number, row in enumerate(rows(self)):
            if number == 2:
                raise OSError("a page is damaged")
            yield row

    monkeypatch.setattr(Columns, "part", lambda *_: None)  # nor can all be read at once
    monkeypatch.setattr(Columns, "rows", broken)
    dataset = Parquet(path)
    assert [item.label for item in dataset.items] == ["a", "b"]
    assert [one.id for one in dataset.skipped] == [f"p/{row:06d}" for row in range(2, 6)]
    assert all("a page is damaged" in one.reason for one in dataset.skipped)


def test_damaged_pages_are_an_answer(tmp_path):
    whole = parquet(
        tmp_path / "whole.parquet",
        {"image": [picture(i) for i in range(6)], "label": ["a", "b"] * 3},
    ).read_bytes()
    path = tmp_path / "flipped.parquet"
    for position in range(0, len(whole), 11):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            dataset = Parquet(path)
            for item in dataset.items:
                dataset.read(item)
        except UserError:
            continue


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00004.parquet", "train"),
        ("data/test-00000-of-00001-1a2b.parquet", "test"),
        ("validation.parquet", "validation"),
        ("config/train/0000.parquet", "train"),
        ("training_data.parquet", "training"),
        ("shoes.parquet", None),
    ],
)
def test_split_of(name, split):
    assert split_of(name) == split


def test_parquet_in_a_folder_below(tmp_path):
    hub_parquet(tmp_path / "data")
    assert isinstance(open_path(tmp_path), Parquet)
    folder(tmp_path, ["cover.png"])
    assert not isinstance(open_path(tmp_path), Parquet)


def test_fingerprint_follows_the_file(tmp_path):
    path = parquet(tmp_path / "p.parquet", {"image": [picture(0)]})
    first = Parquet(path).fingerprint()
    parquet(path, {"image": [picture(1)]})
    os.utime(path, (7, 7))
    assert Parquet(path).fingerprint() != first


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_stays_flat_with_one_huge_row_group(tmp_path):
    """260 MB of pictures in one row group: reading them in order takes a small part of that.

    (A page is read at once; writers check its size every ``write_batch_size`` rows, 1,024 unless
    told otherwise.)
    """
    block = os.urandom(1 << 20)
    path = tmp_path / "p.parquet"
    with pq.ParquetWriter(
        path, pa.schema({"image": pa.binary()}), use_dictionary=False, write_batch_size=1
    ) as writer:
        writer.write_table(
            pa.table({"image": pa.array([block] * 250, pa.binary())}), row_group_size=250
        )
    base = peak_memory("from core.datasets.parquet import Parquet; import pyarrow.parquet")
    used = peak_memory(
        f"from core.datasets.parquet import Parquet;d = Parquet({str(path)!r}); n ="
        " sum(len(d.read(i)) for i in d.items); assert n == 250 << 20, n"
    )
    assert used - base < 90, f"{used - base:.0f} MB"
