"""The index ``milvus`` on real engines: the embedded one and a server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.errors import UserError
from core.indexes import milvus_engine, milvus_rows
from core.indexes.base import Away, Unreadable, indexes
from core.indexes.milvus_engine import ask, place
from core.services.embedding.build import build
from core.services.index_lab import point
from core.services.index_lab.curves import curves, plan
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.contracts.indexed import brute, clustered, unit
from tests.engines.served import PROGRAM, ROOT

ENCODER = "tiny.16x16"
SAID = {
    "label": [(("even", "odd")[row % 2],) for row in range(4000)],
    "my colours": [tuple(sorted({f"c{row % 3}", f'c "{row % 5}"'})) for row in range(4000)],
    "size": [(str(row % 7),) if row % 10 else () for row in range(4000)],
}


def told(key: str = "some"):
    index = indexes.get("milvus")
    index.told(key, SAID)
    return index


def collections() -> list[str]:
    own = milvus_rows.named("")[: len("lookalike_12345678_")]
    return sorted(name for name in ask(place(), "list_collections") if name.startswith(own))


def queries(count: int, vectors: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((count, vectors.shape[1]))
    return unit(vectors[:count] + 0.05 * noise)


def test_the_engines_are_installed():
    """Where they are not, make test-engines has not done its work: nothing here is passed over."""
    assert PROGRAM.is_file()
    assert milvus_engine.lacking() == ""


def test_it_keeps_the_contract_of_every_index(milvus, tmp_path):
    given = {} if milvus == "server" else {"LOOKALIKE_MILVUS": str(tmp_path / "contract.db")}
    files = sorted(map(str, (ROOT / "tests" / "contracts").glob("test_index*.py")))
    line = [sys.executable, "-m", "pytest", "-n", "0", "-k", "milvus", *files]
    done = subprocess.run(
        line, cwd=ROOT, env=os.environ | given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 30


KILLED = """
import sys
from core.indexes import milvus_rows
milvus_rows.BATCH_ROWS = 200
from tests.engines.test_milvus import clustered, told
told("killed").build(clustered(4000), lambda done, total: print(done, flush=True) or True)
"""


def test_a_killed_insert_loses_nothing_and_doubles_nothing(milvus, monkeypatch, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 1400:
            process.kill()
            break
    acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    assert process.wait() == -signal.SIGKILL
    monkeypatch.setattr(milvus_rows, "BATCH_ROWS", 200)
    index, seen = told("killed"), []
    index.build(clustered(4000), lambda done, total: seen.append(done) or True)
    assert seen[0] >= acknowledged, "what was acknowledged is there"
    assert seen[-1] == 4000
    name = milvus_rows.named("killed")
    assert milvus_rows.counted(place(), name) == 4000
    for start in range(0, 4000, 250):
        asked = f"row >= {start} and row < {start + 250}"
        assert milvus_rows.counted(place(), name, asked) == 250
        rows = ask(place(), "query", name, filter=asked, output_fields=["row"], limit=1000)
        assert sorted(row["row"] for row in rows) == list(range(start, start + 250))
    found = index.search(clustered(4000)[::40], 2)
    assert (found.scores[:, 0] > 0.9999).all()


def test_filters_in_the_engine_equal_filters_here(milvus, monkeypatch):
    vectors, index, exact = clustered(4000), told(), indexes.get("exact")
    index.build(vectors)
    exact.build(vectors)
    asked, real = [], ask
    monkeypatch.setattr(
        "core.indexes.milvus.ask", lambda *given, **more: asked.append(more) or real(*given, **more)
    )
    for where in (
        [("label", frozenset({"odd"}))],
        [("my colours", frozenset({"c1", 'c "4"'}))],
        [("size", frozenset({"3"})), ("label", frozenset({"even", "odd"}))],
        [("size", frozenset({"0"})), ("my colours", frozenset({'c "2"'}))],
    ):
        mask = np.array(
            [all(one_of & set(SAID[field][row]) for field, one_of in where) for row in range(4000)]
        )
        asked.clear()
        wanted = exact.search(queries(50, vectors), 10, allowed=mask)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.indexes.base.FEW", 0)  # as in a gallery that is large
            found = index.search(queries(50, vectors), 10, allowed=mask, where=where, ef=512)
        assert mask[found.ids].all()
        assert np.isin(found.scores, wanted.scores).mean() >= 0.9
        assert "f0_label" in asked[0]["filter"] or "f1_my_colours" in asked[0]["filter"]


def test_recall_beside_exact(milvus):
    vectors, index = clustered(4000, 64), indexes.get("milvus")
    index.build(vectors)
    scores = brute(vectors, queries(50, vectors), 10)[1]
    for ef, least in ((64, 0.95), (512, 0.99)):
        found = index.search(queries(50, vectors), 10, ef=ef)
        assert (found.scores >= scores[:, -1:]).mean() >= least


def test_search_by_a_data_set_and_dropped_with_it(milvus, pictures):
    locator = library.add_folder(str(pictures))
    dataset = library.open_dataset(locator)
    build(dataset, [ENCODER], "milvus")
    query = Query(item_id=dataset.items[0].id)
    request = SearchRequest(
        query=query, encoder=ENCODER, index="milvus", k=5, where=("label=warm",)
    )
    found = search(request, dataset)
    assert found.searched == 6
    assert {hit.label for hit in found.hits} == {"warm"}
    (name,) = collections()
    key = name.rpartition("_")[2]
    library.delete_cache("indexes", key)
    assert collections() == [], "dropped with the index"
    build(dataset, [ENCODER], "milvus")
    assert len(collections()) == 1
    library.remove_dataset(locator)
    assert collections() == [], "dropped with the data set"


def test_what_is_not_saved_goes_with_the_object(milvus):
    index = indexes.get("milvus")
    index.build(clustered(100))
    assert len(collections()) == 1
    del index
    assert collections() == []


def test_what_was_deleted_while_the_engine_was_away_is_cleared_later(milvus):
    index = told("away")
    index.build(clustered(4000)[:100])
    (store.base() / "milvus" / f"{milvus_rows.named('away')}.began").unlink()
    indexes.get("milvus").build(clustered(50))
    assert milvus_rows.named("away") not in collections()


def test_an_index_whose_collection_is_gone_is_built_again(milvus, tmp_path):
    index = told("gone")
    index.build(clustered(4000)[:100])
    index.save(tmp_path)
    ask(place(), "drop_collection", milvus_rows.named("gone"))
    with pytest.raises(UserError, match="does not hold"):
        index.search(clustered(1), 1)
    assert index.lost
    with pytest.raises(Unreadable):
        indexes.get("milvus").load(tmp_path)


def test_the_lab_shows_it_beside_local_ones(milvus, pictures):
    dataset = library.open_dataset(str(pictures))
    build(dataset, [ENCODER])
    found = {one.index: one for one in curves(dataset, ENCODER, ["exact", "milvus:ef=64"])}
    assert found["milvus"].recall == found["exact"].recall == 1.0
    assert found["milvus"].p50 > 0


def test_a_server_that_starts_again_holds_what_it_held(milvus_server, monkeypatch, tmp_path):
    milvus_server.name_it(monkeypatch)
    index, asked = told("restarted"), queries(20, clustered(4000))
    index.build(clustered(4000))
    index.save(tmp_path)
    before = index.search(asked, 10)
    for how in (signal.SIGINT, signal.SIGKILL):
        milvus_server.stop(how)
        with pytest.raises(Away, match="does not answer"):
            index.search(asked, 10)
        milvus_server.start()
        again = indexes.get("milvus")
        milvus_server.patiently(lambda again=again: again.load(tmp_path))
        assert milvus_rows.counted(place(), milvus_rows.named("restarted")) == 4000
        np.testing.assert_array_equal(again.search(asked, 10).ids, before.ids)
        np.testing.assert_array_equal(index.search(asked, 10).ids, before.ids)


def test_a_wrong_token_is_said_and_not_shown(milvus_server, monkeypatch):
    milvus_server.name_it(monkeypatch)
    for token in ("root:a-wrong-one", ""):
        monkeypatch.setenv("LOOKALIKE_MILVUS_TOKEN", token)
        milvus_engine.forget(place())
        with pytest.raises(Away, match="refuses who asks") as said:
            indexes.get("milvus").build(clustered(10))
        assert "a-wrong-one" not in str(said.value)
    milvus_engine.forget(place())


def test_an_engine_that_is_away_leaves_the_others_alone(pictures, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_MILVUS", "http://127.0.0.1:1")
    dataset = library.open_dataset(str(pictures))
    build(dataset, [ENCODER])
    query = Query(item_id=dataset.items[0].id)
    with pytest.raises(Away, match="does not answer"):
        search(SearchRequest(query=query, encoder=ENCODER, index="milvus", k=5), dataset)
    found = search(SearchRequest(query=query, encoder=ENCODER, index="hnsw", k=5), dataset)
    assert len(found.hits) == 5
    planned = plan(dataset, ENCODER, ["exact", "milvus"])
    assert all("does not answer" in planned.refused[one] for one in planned.refused)
    assert planned.refused
    measured = list(curves(dataset, ENCODER, ["exact", "milvus"]))
    assert {one.index for one in measured} == {"exact"}
    kept = [entry.meta["index_name"] for entry in store.entries(point.KIND)]
    assert kept == ["exact"], "that it was away is not kept"


def test_processes_share_the_file_of_the_embedded_engine(pictures, monkeypatch):
    monkeypatch.delenv("LOOKALIKE_MILVUS", raising=False)
    dataset = library.open_dataset(str(pictures))
    build(dataset, [ENCODER], "milvus")
    line = [sys.executable, "-m", "core", "search", "--dataset", str(pictures), "--encoder"]
    line += [ENCODER, "--index", "milvus", "--query", f"id:{dataset.items[0].id}"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert dataset.items[1].id in done.stdout
    assert Path(store.base() / "milvus" / "engine.db").is_dir()
