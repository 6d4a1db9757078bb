"""Tables and vectors that visitors bring: within their limits, naming nothing of the server, and
theirs alone."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from core.encoders.base import encoders
from core.errors import UserError
from core.services.library import adding, imports, library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.hosting.conftest import picture, zipped

PICTURES = [(f"shots/{number}.png", picture(number)) for number in range(4)]


def table(*paths: str) -> tuple[str, bytes]:
    rows = "\n".join(f"{path},{'ab'[place % 2]}" for place, path in enumerate(paths))
    return "mine.csv", f"path,label\n{rows}\n".encode()


def vectors(count: int = 4) -> tuple[str, bytes]:
    to = io.BytesIO()
    np.save(to, np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32))
    return "mine.npy", to.getvalue()


def test_a_table_with_its_pictures_becomes_a_set_of_its_visitor_alone(visiting, anna, bela):
    files = [table(*(name for name, _ in PICTURES)), *PICTURES]
    with visiting(anna):
        assert adding.preview_files(files).pictures == 4
        kept = adding.add_files(files)
        found = library.open_dataset(kept, fresh=True)
        assert {item.label for item in found.items} == {"a", "b"}
        assert found.read(found.items[0]) in {data for _, data in PICTURES}
    with visiting(bela):
        assert kept not in [row["locator"] for row in library.dataset_rows()]
        with pytest.raises(UserError, match="no data set"):
            library.open_dataset(kept)


def test_a_table_learns_nothing_of_the_server(visiting, anna, bela, tmp_path):
    other = tmp_path / "private.png"
    other.write_bytes(picture(9))
    with visiting(bela):
        theirs = library.add_archive("theirs.zip", zipped())
    inside, outside = PICTURES[0][0], (str(other), "/etc/nothing-there.png", theirs, "../../x.png")
    files = [table(inside, *outside), PICTURES[0]]
    with visiting(anna):
        seen = adding.preview_files(files)
        assert seen.pictures == 1
        reasons = dict(seen.reasons)
        assert len(reasons) == 2, "there or not, all outside are told alike"
        assert reasons["a table that was uploaded names files that were uploaded with it"] == 3
        kept = adding.add_files(files)
        assert [item.id for item in library.open_dataset(kept, fresh=True).items] == [inside]


def test_parquet_of_a_visitor(visiting, anna, bela):
    rows = [{"image": {"bytes": data, "path": name}, "label": 0} for name, data in PICTURES]
    to = io.BytesIO()
    pd.DataFrame(rows).to_parquet(to)
    with visiting(anna):
        kept = adding.add_files([("mine.parquet", to.getvalue())])
        assert len(library.open_dataset(kept, fresh=True).items) == 4
    with visiting(bela), pytest.raises(UserError, match="no data set"):
        library.open_dataset(kept)


def test_tables_and_vectors_have_the_limits_of_a_visitor(visiting, anna, monkeypatch):
    files = [table(*(name for name, _ in PICTURES)), *PICTURES]
    with visiting(anna):
        set_ = library.add_archive("own.zip", zipped(4))
        monkeypatch.setenv("LOOKALIKE_VISITOR_PICTURES", "7")
        with pytest.raises(UserError, match="4 pictures, and you have 4"):
            adding.add_files(files)
        monkeypatch.setenv("LOOKALIKE_VISITOR_ZIP_MB", "1")
        with pytest.raises(UserError, match="at most 1 MB"):
            adding.add_files([files[0], ("big.png", bytes(1_100_000))])
        with pytest.raises(UserError, match="at most 1 MB"):
            imports.check_upload(set_, ("big.npy", bytes(1_100_000)))
        monkeypatch.setenv("LOOKALIKE_VISITOR_MB", "1")
        with pytest.raises(UserError, match="A visitor of this server has 1 MB"):
            imports.import_upload(set_, "big", ("big.npy", bytes(900_000)))
        assert library.own_added() == [set_]
        assert encoders.names() and "imported.big" not in encoders.names()  # noqa: PT018


def test_own_vectors_are_searched_by_their_visitor_alone(visiting, anna, bela):
    with visiting(anna):
        kept = library.add_archive("own.zip", zipped(4))
        ids = [item.id for item in library.open_dataset(kept).items]
        given = vectors(), ("ids.txt", "\n".join(ids).encode())
        assert imports.check_upload(kept, *given).used == 4
        name = imports.import_upload(kept, "mine", *given)
        asked = SearchRequest(Query(item_id=ids[0]), name, "exact", 3)
        assert len(search(asked, library.open_dataset(kept)).hits) == 3
        assert name in encoders.names()
    with visiting(bela):
        assert name not in encoders.names()
        with pytest.raises(UserError):
            encoders.get(name)
