"""Milvus without Milvus: how it is named and addressed, what is said where it is missing, and how
rows reach an engine that fails in the middle. The engines themselves: tests/engines."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import Cancelled, UserError
from core.indexes import milvus, milvus_engine, milvus_rows
from core.indexes.base import Away, indexes
from core.indexes.milvus_engine import Place, place
from core.indexes.milvus_rows import Column, columns, expression
from core.services.library import library
from core.services.specs import index_spec
from tests.contracts.indexed import clustered

SECRET = "s3cr3t-and-long"


class Lost(Exception):
    """As the client says that a connection broke."""

    code = 2
    message = f"connection closed, sent {SECRET}"


class Engine:
    """Rows, counts and answers as a client of Milvus gives them; a key that is inserted twice stands
    there twice, as in Milvus. ``fail``: (number of the write, whether its rows arrive)."""

    def __init__(self, fail: dict[int, bool] | None = None) -> None:
        self.rows: list[dict] = []
        self.calls: list[str] = []
        self.fail, self.writes, self.index, self.there = fail or {}, 0, "", False

    def __getattr__(self, name: str):
        def call(*given, **more):
            self.calls.append(name)
            own = getattr(type(self), f"_{name}", None)
            return own(self, *given, **more) if own else None

        return call

    def create_schema(self, **_):
        return SimpleNamespace(add_field=lambda *given, **more: None)

    def prepare_index_params(self):
        made = SimpleNamespace(kind="")
        made.add_index = lambda field, index_type, **_: setattr(made, "kind", index_type)
        return made

    def _has_collection(self, name, **_):
        return self.there

    def _create_collection(self, name, **_):
        self.there = True

    def _create_index(self, name, asked, **_):
        self.index = asked.kind

    def _drop_index(self, *_, **__):
        self.index = ""

    def _list_indexes(self, *_, **__):
        return ["vector"] if self.index else []

    def _describe_index(self, *_, **__):
        return {"index_type": self.index, "state": "Finished", "pending_index_rows": 0}

    def _get_load_state(self, *_, **__):
        return {"state": SimpleNamespace(name="Loaded")}

    def _list_collections(self, **_):
        return []

    def _write(self, rows, replace):
        number, self.writes = self.writes, self.writes + 1
        arrives = self.fail.get(number, True)
        if arrives and replace:
            keys = {row["row"] for row in rows}
            self.rows = [row for row in self.rows if row["row"] not in keys]
        if arrives:
            self.rows += rows
        if number in self.fail:
            raise Lost

    def _insert(self, name, rows, **_):
        self._write(rows, replace=False)

    def _upsert(self, name, rows, **_):
        self._write(rows, replace=True)

    def _query(self, name, filter, **_):
        low, high = map(int, re.findall(r"\d+", filter) or (0, 10**9))
        return [{"count(*)": sum(low <= row["row"] < high for row in self.rows)}]


@pytest.fixture
def engine(monkeypatch):
    """``engine(fail)`` -> an :class:`Engine` that the address answers with."""
    monkeypatch.setenv("LOOKALIKE_MILVUS", "engine:19530")
    monkeypatch.setenv("LOOKALIKE_MILVUS_TOKEN", SECRET)
    monkeypatch.setattr(milvus_engine, "_clients", {})
    monkeypatch.setattr(milvus_engine, "_away", {})
    monkeypatch.setattr(milvus_engine.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(milvus_engine, "lacking", lambda: "")
    monkeypatch.setattr(milvus_rows, "BATCH_ROWS", 100)

    def make(fail: dict[int, bool] | None = None, made: Engine | None = None) -> Engine:
        made = made or Engine(fail)
        monkeypatch.setattr(milvus_engine, "_client", lambda where: made)
        return made

    return make


def written(made: Engine, progress=None) -> None:
    said = {"label": [(f"c{row % 3}",) for row in range(1000)]}
    writer = milvus_rows.Writer(place(), "lookalike_x", clustered(1000), said)
    writer.write(progress, {"M": 16, "efConstruction": 200})


def keys(made: Engine) -> list[int]:
    return sorted(row["row"] for row in made.rows)


def test_rows_arrive_once_and_the_index_comes_after_them(engine):
    made, seen = engine(), []
    written(made, lambda done, total: seen.append((done, total)) or True)
    assert keys(made) == list(range(1000))
    assert seen == [(done, 1000) for done in range(0, 1001, 100)]
    last_insert = len(made.calls) - 1 - made.calls[::-1].index("insert")
    order = [made.calls.index(name) for name in ("flush", "create_index", "describe_index")]
    assert last_insert < order[0] < order[1] < order[2]
    assert made.index == "HNSW"
    assert made.rows[4]["f0_label"] == "c1"


@pytest.mark.parametrize("arrives", [True, False])
def test_a_batch_that_broke_is_sent_again_and_stands_there_once(engine, arrives):
    made = engine({3: arrives, 4: arrives, 7: arrives})
    written(made)
    assert keys(made) == list(range(1000))


@pytest.mark.parametrize("left", [0, 1, 99, 100, 250, 999, 1000])
def test_a_build_that_was_killed_goes_on_where_it_was(engine, left):
    made = engine()
    made.there = True
    made.rows = [{"row": row} for row in range(left)]
    seen = []
    written(made, lambda done, total: seen.append(done) or True)
    assert keys(made) == list(range(1000))
    assert seen[0] == left // 100 * 100, "what was acknowledged is not sent again"


def test_what_is_missing_or_double_at_the_end_is_replaced(engine):
    made = engine()
    made.there = True
    made.rows = [{"row": row} for row in [*range(500), *range(120, 130)] if row != 333]
    written(made)
    assert keys(made) == list(range(1000))


def test_a_build_can_be_stopped(engine):
    made = engine()
    with pytest.raises(Cancelled):
        written(made, lambda done, total: done < 300)
    assert keys(made) == list(range(300))


def test_an_engine_that_stays_away_is_said_without_its_secrets(engine, caplog):
    caplog.set_level("DEBUG")
    engine(dict.fromkeys(range(100), False))
    with pytest.raises(Away, match="does not answer") as told:
        written(engine(dict.fromkeys(range(100), False)))
    assert "engine:19530" in str(told.value)
    assert "engine:19530" not in told.value.plain, "a page names no machine"
    assert SECRET not in str(told.value) + caplog.text
    assert "***" in caplog.text


def test_batches_stay_below_what_an_engine_takes():
    said = {f"field {number}": [("x",)] for number in range(200)}
    writer = milvus_rows.Writer(Place("http://x"), "lookalike_y", np.zeros((1, 32_768), "f"), said)
    assert writer.step * 4 * 32_768 <= 16 << 20
    assert len(writer.columns) <= 48


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("host:19530", "http://host:19530"),
        ("http://host:19530", "http://host:19530"),
        ("https://host.example/path?x=1", "https://host.example"),
    ],
)
def test_addresses(given, address, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_MILVUS", given)
    assert place() == Place(address)
    assert place().kind == address


def test_files(monkeypatch, tmp_path, artifacts):
    monkeypatch.delenv("LOOKALIKE_MILVUS", raising=False)
    assert place().file == artifacts / "milvus" / "engine.db"
    monkeypatch.setenv("LOOKALIKE_MILVUS", str(tmp_path / "mine.db"))
    assert place().file == tmp_path / "mine.db"
    assert place().kind == "embedded", "a file that was moved is the same engine"


@pytest.mark.parametrize("given", ["ftp://host", "http://", "http://me:word@host:19530", "FILE"])
def test_addresses_that_are_none(given, monkeypatch, tmp_path):
    (tmp_path / "old.db").write_text("another format")
    monkeypatch.setenv("LOOKALIKE_MILVUS", given.replace("FILE", str(tmp_path / "old.db")))
    with pytest.raises(UserError, match="LOOKALIKE_MILVUS") as told:
        place()
    assert "word" not in str(told.value).replace("password", "").replace("PASSWORD", "")


def test_its_name_with_knobs():
    spec = index_spec("milvus:M=8,ef=128")
    assert (spec.build["M"], spec.search["ef"], spec.text) == (8, 128, "milvus:M=8,ef=128")
    with pytest.raises(UserError, match="no knob"):
        index_spec("milvus:nprobe=4")


def test_without_its_packages_it_says_what_to_install_and_others_go_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.setattr(milvus_engine, "find_spec", lambda name: None)
    row = library.get_index_row("milvus")
    assert row["state"] == "unavailable"
    assert "tools/engines/milvus.txt" in row["detail"]
    with pytest.raises(UserError, match="can't be used here"):
        indexes.get("milvus").build(clustered(10))
    assert library.get_index_row("hnsw")["state"] == "ready"


def test_filters_in_the_engines_language():
    said = {
        "label": [("cup",), ()],
        "my colour": [("red", "blue"), ("red",)],
        "long": [("x" * 5000,), ()],
    }
    known = columns(said)
    assert known == {"label": Column("f0_label", False), "my colour": Column("f1_my_colour", True)}
    asked = expression([("label", frozenset({'a "b"\\', "ü"}))], known)
    assert asked == 'f0_label in ["a \\"b\\"\\\\", "ü"]'
    both = [("label", frozenset({"cup"})), ("my colour", frozenset({"red"}))]
    assert expression(both, known).endswith(' and array_contains_any(f1_my_colour, ["red"])')
    assert expression([("long", frozenset({"x"}))], known) == "", "it is filtered here, then"


def test_a_server_is_another_engine_than_a_file(monkeypatch):
    monkeypatch.setenv("LOOKALIKE_MILVUS", "/somewhere/a.db")
    embedded = milvus.Milvus().fingerprint()
    monkeypatch.setenv("LOOKALIKE_MILVUS", "host:1")
    assert milvus.Milvus().fingerprint() != embedded
