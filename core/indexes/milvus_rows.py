"""Rows into a collection of Milvus and out of it: written in batches that can be sent again,
counted before they are relied on, and dropped with what they were built for."""

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.disk import changed
from core.errors import UserError
from core.indexes.base import Away
from core.indexes.milvus_engine import Place, ask, at_rest, connected, retried
from core.types import Progress, Said, report

log = logging.getLogger(__name__)
KEY, VECTOR = "row", "vector"
METRIC = "IP"
"""On unit vectors the order of the cosine."""
BATCH_BYTES = 8 << 20
"""Of one insert; the engine takes 64 MB."""
BATCH_ROWS = 5000
MOST_FIELDS, MOST_VALUES, MOST_BYTES = 48, 1024, 4096
"""What a collection takes: fields, values of one row, and bytes of a value. What exceeds it stays
here, and is filtered here."""
POLL_S = 0.1
INT64, VARCHAR, ARRAY, FLOAT_VECTOR = 5, 21, 22, 101
"""The engine's own numbers of its types (``DataType`` of pymilvus)."""
STRONG, BOUNDED = "Strong", "Bounded"
PREFIX = "lookalike"


@dataclass(frozen=True, slots=True)
class Column:
    """What a field is called in the engine, and whether a row may have several values."""

    name: str
    several: bool


def columns(said: Said) -> dict[str, Column]:
    """The fields that the engine keeps; those that it can't hold are left out."""
    found: dict[str, Column] = {}
    for field, rows in said.items():
        widest = max((len(values) for values in rows), default=0)
        longest = max((len(one.encode()) for values in rows for one in values), default=0)
        if len(found) < MOST_FIELDS and widest <= MOST_VALUES and longest <= MOST_BYTES:
            found[field] = Column(f"f{len(found)}_{_plain(field)}", widest > 1)
    return found


def _plain(field: str) -> str:
    """What people may read of a field's name in the engine's own tools."""
    return re.sub(r"[^A-Za-z0-9]+", "_", field)[:40]


def expression(where: Sequence[tuple[str, frozenset[str]]], known: Mapping[str, Column]) -> str:
    """A filter as the engine reads it; empty where it does not keep one of the fields."""
    if not all(field in known for field, _ in where):
        return ""
    parts = []
    for field, values in where:
        column, listed = known[field], json.dumps(sorted(values), ensure_ascii=False)
        parts.append(
            f"array_contains_any({column.name}, {listed})"
            if column.several
            else f"{column.name} in {listed}"
        )
    return " and ".join(parts)


def owner() -> str:
    """Eight digits that are this artifacts folder's own, on a server that others use too."""
    path = store.base() / "milvus" / "owner"
    with store.in_layer(store.base()), store.lock("milvus-owner"):
        if not path.is_file():
            store.write_text(path, uuid.uuid4().hex[:8])
        return path.read_text().strip()


def named(key: str) -> str:
    """The collection of an index with this key; without a key, one for the index in memory."""
    return f"{PREFIX}_{owner()}_{key or f'scratch{int(time.time())}_{uuid.uuid4().hex[:8]}'}"


class Writer:
    """Fills one collection. What a killed writer of that name had written is kept."""

    def __init__(self, place: Place, name: str, vectors: np.ndarray, said: Said) -> None:
        self.place, self.name, self.vectors = place, name, vectors
        self.said, self.columns = said, columns(said)
        wide = 4 * vectors.shape[1] + 256 * (1 + len(self.columns))
        self.step = max(1, min(BATCH_ROWS, BATCH_BYTES // wide))
        store.write_text(_mark(name), "", durable=False)

    def write(self, progress: Progress | None, build: Mapping[str, float]) -> None:
        """All rows, then the index over them, and wait until both can be relied on.

        An index that is there before the rows covers them badly, whatever the effort of a search:
        it is made after them.

        Args:
            progress: counts rows that the engine has acknowledged.
            build: the knobs of HNSW.

        Raises:
            Away: the engine stopped answering; what it acknowledged is found again.
            Cancelled: ``progress`` said stop; likewise.
        """
        total = len(self.vectors)
        done = self._begun()
        report(progress, done, total)
        for start in range(done, total, self.step):
            stop = min(start + self.step, total)
            self._put(start, stop, again=start == done and done != 0)
            _mark(self.name).touch()
            report(progress, stop, total)
        ask(self.place, "flush", self.name, slow=True)
        self._index(build)
        if self._repair():
            ask(self.place, "flush", self.name, slow=True)
            self._finish()
        if (held := self.count()) != total:
            raise UserError(
                f"The Milvus engine holds {held} of {total} rows.", fix="Build the index again."
            )

    def count(self, start: int = 0, stop: int | None = None) -> int:
        """Rows that the engine holds, every acknowledged one counted; with ``stop``, of these."""
        asked = "" if stop is None else f"{KEY} >= {start} and {KEY} < {stop}"
        return counted(self.place, self.name, asked)

    def _begun(self) -> int:
        """Make the collection, or find how many rows an earlier writer put there: a number of whole
        batches. They were written in order, so halving finds the first that is not whole."""
        if not ask(self.place, "has_collection", self.name):
            self._create()
            return 0
        if not _indexed(self.place, self.name):
            # counts need a collection in memory, and that an index: this one compares all
            _create_index(self.place, self.name, "FLAT", {})
        load(self.place, self.name)
        low, high = 0, -(-len(self.vectors) // self.step)
        while low < high:
            middle = (low + high) // 2
            start, stop = self._part(middle)
            whole = self.count(start, stop) >= stop - start
            low, high = (middle + 1, high) if whole else (low, middle)
        return min(low * self.step, len(self.vectors))

    def _part(self, number: int) -> tuple[int, int]:
        start = number * self.step
        return start, min(start + self.step, len(self.vectors))

    def _create(self) -> None:
        client = connected(self.place)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(KEY, INT64, is_primary=True)
        schema.add_field(VECTOR, FLOAT_VECTOR, dim=self.vectors.shape[1])
        for column in self.columns.values():
            if column.several:
                many = {"element_type": VARCHAR, "max_capacity": MOST_VALUES}
                schema.add_field(column.name, ARRAY, max_length=MOST_BYTES, **many)
            else:
                schema.add_field(column.name, VARCHAR, max_length=MOST_BYTES)
        ask(self.place, "create_collection", self.name, schema=schema, consistency_level=BOUNDED)

    def _put(self, start: int, stop: int, *, again: bool) -> None:
        """One batch. Sent again, it replaces what arrived: a key stands in the engine once."""
        rows = self._rows(start, stop)

        def send(retry: bool) -> Any:
            return ask(self.place, "upsert" if again or retry else "insert", self.name, rows)

        retried(send)

    def _rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [
            {KEY: row, VECTOR: np.asarray(self.vectors[row], np.float32)}
            for row in range(start, stop)
        ]
        for field, column in self.columns.items():
            for row, values in zip(rows, self.said[field][start:stop], strict=True):
                row[column.name] = list(values) if column.several else "".join(values[:1])
        return rows

    def _repair(self) -> bool:
        """Count all, and where that is not the number of rows, every batch: one that lacks rows or
        holds some twice is replaced. Returns whether any was."""
        total, found = len(self.vectors), False
        if self.count() == total:
            return False
        for start, stop in map(self._part, range(-(-total // self.step))):
            if self.count(start, stop) != stop - start:
                self._put(start, stop, again=True)
                found = True
        return found

    def _index(self, build: Mapping[str, float]) -> None:
        if _indexed(self.place, self.name) not in ("", "HNSW"):
            ask(self.place, "release_collection", self.name)
            ask(self.place, "drop_index", self.name, VECTOR)
        if _indexed(self.place, self.name) != "HNSW":
            _create_index(self.place, self.name, "HNSW", build)
        self._finish()

    def _finish(self) -> None:
        """Wait until no row is left to be indexed, then for the engine's memory."""
        while not _finished(ask(self.place, "describe_index", self.name, VECTOR)):
            time.sleep(POLL_S)
        load(self.place, self.name)


def _create_index(place: Place, name: str, kind: str, build: Mapping[str, float]) -> None:
    asked = connected(place).prepare_index_params()
    asked.add_index(VECTOR, index_type=kind, metric_type=METRIC, params=dict(build))
    ask(place, "create_index", name, asked, slow=True, sync=False)


def _indexed(place: Place, name: str) -> str:
    """The kind of the index over the vectors; empty where the vectors have no index."""
    if not ask(place, "list_indexes", name):
        return ""
    return str(ask(place, "describe_index", name, VECTOR)["index_type"])


def _finished(said: Mapping[str, Any] | None) -> bool:
    """Whether nothing is left to be indexed."""
    if not said:
        return False
    if said["state"] == "Failed":
        raise UserError("The Milvus engine could not make its index.", fix="Look into its log.")
    return said["state"] == "Finished" and not int(said["pending_index_rows"])


def load(place: Place, name: str, patience_s: float = float("inf")) -> None:
    """Into the engine's memory, and wait for it.

    Raises:
        Away: it is not there after ``patience_s`` seconds, as in a server that has just started.
    """
    ask(place, "load_collection", name, slow=True, _async=True)
    until = time.monotonic() + patience_s
    while ask(place, "get_load_state", name)["state"].name != "Loaded":
        if time.monotonic() > until:
            raise Away(
                "The Milvus engine is still reading this index into its memory.",
                fix="Try again in a minute, or choose another index.",
            )
        time.sleep(POLL_S)


def counted(place: Place, name: str, asked: str = "") -> int:
    """Rows of a loaded collection, with every write that was acknowledged."""
    said = ask(
        place, "query", name, filter=asked, output_fields=["count(*)"], consistency_level=STRONG
    )
    return int(said[0]["count(*)"])


def drop(place: Place, name: str) -> None:
    """Away with a collection, if the engine answers; otherwise the next build clears it away."""
    with at_rest(f"dropping {name}"):
        ask(place, "drop_collection", name)
        _mark(name).unlink(missing_ok=True)


def sweep(place: Place) -> None:
    """Drop what this artifacts folder left in the engine: collections of indexes that were deleted
    while it did not answer, and of builds that were killed and not taken up within a day."""
    home, prefix = store.base(), f"{PREFIX}_{owner()}_"
    kept = [home, *home.glob("visitors/*")]
    with at_rest("clearing away"):
        for name in ask(place, "list_collections"):
            key, began = name.removeprefix(prefix), _mark(name)
            if not name.startswith(prefix) or any(
                (folder / "cache" / "indexes" / key).is_dir() for folder in kept
            ):
                continue
            if not began.is_file() or time.time() - changed(began) > store.OLD_S:
                drop(place, name)


def _mark(name: str) -> Path:
    """A file that is touched while a collection is written: after a day it is given up."""
    return store.base() / "milvus" / f"{name}.began"
