"""Items as columns are what looking at each row gives, and every question to them is answered
alike."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import items as columnar
from core import store
from core.datasets.base import usual_protocols
from core.datasets.parquet import Parquet
from core.datasets.parquet_columns import Columns
from core.items import Items
from core.services.embedding import galleries, roles, usual
from core.services.search.request import allowed
from core.services.search.request import fields as fields_of
from core.types import Protocol

COUNT = 11


def table(number: int) -> dict:
    """Columns of one file: odd numbers state ids, and everything that can be missing is once."""
    some = np.random.default_rng(number)
    made = {
        "image": [b"x"] * COUNT,
        "label": [*some.choice(["cafe\u0301", "b", "c", ""], COUNT - 1), None],
        "category": [None, *some.choice(["p", "q"], COUNT - 1)],
        "instance": pa.array(some.integers(0, 4, COUNT)),
        "split": [*some.choice(["train", "test", ""], COUNT - 1), None],
        "price": [None, 1.5, *some.random(COUNT - 2)],
        "worn": [*some.choice([True, False], COUNT - 1), None],
        "colours": [["re\u0301d"], None, [], *[["blue", "green"]] * (COUNT - 3)],
    }
    if number % 2:
        ids = [f"{number}-{one}e\u0301" for one in some.permutation(COUNT)]
        made["id"] = [None, *ids[1:]]
    return made


@pytest.fixture(params=["", "twice"])
def both(request, tmp_path, monkeypatch):
    """A data set listed at once, and row by row; once with an id that two rows have."""
    for number in range(3):
        made = table(number)
        if request.param and number == 1:
            made["id"][3] = made["id"][5]
        pq.write_table(pa.table(made), tmp_path / f"train-{number:05d}.parquet")
    fast = Parquet(tmp_path)
    assert len(fast.items) == 3 * COUNT - bool(request.param)
    assert isinstance(fast.items, Items) != bool(request.param)
    with monkeypatch.context() as inner:
        inner.setattr(Columns, "part", lambda *_: None)
        slow = Parquet(tmp_path)
        assert isinstance(slow.items, tuple)
    return SimpleNamespace(fast=fast, slow=slow)


def test_the_same_items(both):
    fast, slow = both.fast, both.slow
    assert list(fast.items) == list(slow.items) == [fast.items[at] for at in range(len(fast.items))]
    assert fast.items == slow.items
    assert slow.items == fast.items
    assert fast.fingerprint() == slow.fingerprint()
    assert dict(fast.rows) == slow.rows
    assert all(fast.rows[id] == row for id, row in slow.rows.items())
    assert "nothing" not in fast.rows
    assert fast.items[-1] == slow.items[-1]
    assert tuple(fast.items[5:20:3]) == slow.items[5:20:3]
    assert tuple(fast.ids) == tuple(slow.ids)
    assert fast.skipped == slow.skipped
    again = pickle.loads(pickle.dumps(fast))
    assert again.items == fast.items
    with pytest.raises(IndexError):
        fast.items[len(slow.items)]


def test_a_change_is_seen(both, tmp_path):
    made = table(2)
    made["label"][4] = "another"
    pq.write_table(pa.table(made), tmp_path / "train-00002.parquet")
    assert Parquet(tmp_path).items != both.fast.items


def test_what_is_asked_of_all_at_once(both):
    fast, slow = both.fast.items, both.slow.items
    for rows in (np.arange(len(slow)), np.array([4, 2, 30, 0, 8])):
        some, plain = columnar.taken(fast, rows), [slow[row] for row in rows]
        assert list(some) == plain
        for name in (*columnar.FIELDS, "price", "worn", "colours", "nothing"):
            one, two = columnar.coded(some, name), columnar.coded(plain, name)
            np.testing.assert_array_equal(one.codes, two.codes)
            assert one.values == two.values
            np.testing.assert_array_equal(one.apart(), two.apart())
        np.testing.assert_array_equal(columnar.by_id(some), columnar.by_id(plain))
        assert sorted(columnar.attributes(some)) == sorted(columnar.attributes(plain))
        assert columnar.classes(some).counts() == columnar.classes(plain).counts()
        one, two = map(columnar.classes, (some, plain))
        assert columnar.first_of_each(one) == columnar.first_of_each(two)
        assert usual_protocols(some) == usual_protocols(plain)
        for fields in (("category", "instance"), ("", "label"), ("label", "")):
            assert usual._digest(some, fields) == usual._digest(plain, fields)
        assert fields_of(some) == fields_of(plain)
        told = "colours=blue|r\u00e9d"
        np.testing.assert_array_equal(allowed(some, [told]), allowed(plain, [told]))


def test_roles_and_splits(both):
    protocol = Protocol("p", "label", ("train",), ("test",), ignore="instance", every=2)
    one, two = (roles.roles_of(found.items, protocol) for found in (both.fast, both.slow))
    for name in ("gallery", "queries", "relevant", "ignore"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    splits = [item.split for item in both.slow.items]
    assert galleries.split_digest(both.fast) == store.fingerprint(splits)
