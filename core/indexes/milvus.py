"""Milvus (2021) behind the contract of every index: an engine that may run on other machines and
holds more than the memory of this one.

The engine walks the graph of Malkov and Yashunin (2018) and gives row numbers. The vectors lie here
too, in a file that is mapped: the scores are exact cosines by them, as those of every other index.
Labels and attributes lie in the engine beside the vectors, so that filters work inside its search.
"""

import json
import os
import time
import weakref
from pathlib import Path

import numpy as np

from core.indexes.base import Beside, Knob, Unreadable, indexes
from core.indexes.milvus_engine import (
    Gone,
    Place,
    ask,
    before_end,
    connected,
    lacking,
    place,
    retried,
)
from core.indexes.milvus_rows import (
    BOUNDED,
    KEY,
    METRIC,
    VECTOR,
    Column,
    Writer,
    counted,
    drop,
    expression,
    load,
    named,
    sweep,
)
from core.neighbours import nearest, rank
from core.types import Cost, Hits, Progress, Said, State, Where

FILE = "milvus.json"
MOST = 16_384
"""Hits that the engine gives at most. Who wants more compares all rows here."""
COPIES = 16
"""So many more than asked for are fetched: of copies on both sides of the last hit the engine gives
any, and the first counts."""
ANSWER = 400_000
"""Hits of one call, of all its queries."""
QUERIES = 200
"""Queries of one call."""
LISTED = 8192
"""Rows that are named one by one in a filter."""
LOADED_S = 60.0
"""Who opens an index waits so long for an engine that still reads it."""
LONGEST = 60_000
"""Characters of a filter."""


class Milvus(Beside):
    """HNSW in an engine; see :mod:`core.indexes.milvus_engine` for where that is."""

    name = "milvus"
    title = "Milvus (engine)"
    about = (
        "Asks an engine, which may run on other machines and hold more than the memory of this"
        " one; it walks a graph of neighbours as HNSW does."
    )
    package = "pymilvus"
    walks = True
    selects = True
    engine = True
    build_knobs = {
        "M": Knob(16, (8, 16, 32), "links of each picture", 4, 64),
        "efConstruction": Knob(200, (50, 200, 400), "candidates looked at for each link", 8, 512),
    }
    search_knobs = {"ef": Knob(64, (16, 64, 256), "candidates kept while walking", 1, 32_768)}

    def __init__(self) -> None:
        super().__init__()
        self._place, self._collection = Place(), ""
        self._columns: dict[str, Column] = {}
        self._links = 0
        self._key: str = ""
        self._said: Said = {}
        self._passing: weakref.finalize | None = None

    def state(self) -> State:
        why = lacking()
        return State("unavailable", f"{self.title}: {why}") if why else State("ready")

    def fingerprint(self, **knobs: float) -> dict:
        return {**super().fingerprint(**knobs), "engine": place().kind}

    def told(self, key: str, said: Said) -> None:
        self._key, self._said = key, said

    def _fits(self, count: int, dim: int, **knobs: float) -> None:
        """Whether the engine answers: asked before hours are spent on what it shall hold."""
        if (where := place()).address:
            connected(where)

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._leave()
        self._place, key, said = place(), self._key, self._said
        connected(self._place)
        self._key, self._said = "", {}
        self._collection, self._links = named(key), int(knobs["M"])
        if not key:
            self._passing = weakref.finalize(
                self, _leave, os.getpid(), self._place, self._collection
            )
            self._passing.atexit = False
            before_end(self._passing)
        sweep(self._place)
        writer = Writer(self._place, self._collection, vectors, said)
        try:
            writer.write(progress, knobs)
        except BaseException:
            self._leave()
            raise
        self._columns = writer.columns
        self._keep(vectors, started)

    def _leave(self) -> None:
        """Drop a collection that lasts as long as this object."""
        if self._passing is not None:
            self._passing()
            self._passing = None

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return self._asked(queries, k, "", **knobs)

    def _by_fields(self, queries: np.ndarray, k: int, where: Where, **knobs: float) -> Hits | None:
        asked = expression(where, self._columns)
        return self._asked(queries, k, asked, **knobs) if 0 < len(asked) <= LONGEST else None

    def _select(self, queries: np.ndarray, k: int, mask: np.ndarray, **knobs: float) -> Hits:
        """Where few rows are allowed, or few are not, these are named to the engine."""
        for rows, word in ((mask, "in"), (~mask, "not in")):
            if np.count_nonzero(rows) <= LISTED:
                asked = f"{KEY} {word} {np.flatnonzero(rows).tolist()}"
                return self._asked(queries, k, asked, **knobs)
        return self._overfetch(queries, k, mask, knobs)

    def _asked(self, queries: np.ndarray, k: int, asked: str, ef: float) -> Hits:
        wanted = min(k + COPIES, self.size)
        if wanted > MOST:
            return nearest(queries, self.rows, range(self.size), k)
        found = np.full((len(queries), wanted), -1, np.int64)
        step = max(1, min(QUERIES, ANSWER // wanted))
        for start in range(0, len(queries), step):
            part = queries[start : start + step]
            for row, ids in enumerate(self._call(part, wanted, asked, ef), start):
                found[row, : len(ids)] = ids
        return rank(queries, self.rows, found, k)

    def _call(self, queries: np.ndarray, wanted: int, asked: str, ef: float) -> list[list[int]]:
        try:
            hits = ask(
                self._place,
                "search",
                self._collection,
                data=list(queries),
                anns_field=VECTOR,
                filter=asked,
                limit=wanted,
                output_fields=[KEY],
                search_params={"metric_type": METRIC, "params": {"ef": max(int(ef), wanted)}},
                consistency_level=BOUNDED,
            )
        except Gone:
            self.lost = True
            raise
        return [one.ids for one in hits]

    def _save(self, folder: Path) -> None:
        noted = {
            "engine": self._place.kind,
            "collection": self._collection,
            "columns": {
                field: [column.name, column.several] for field, column in self._columns.items()
            },
            "links": self._links,
        }
        (folder / FILE).write_text(json.dumps(noted))
        self._save_vectors(folder)
        if self._passing is not None:
            self._passing.detach()  # it is dropped with the files now
            self._passing = None

    def _load(self, folder: Path) -> None:
        self._load_vectors(folder)
        noted = json.loads((folder / FILE).read_text())
        self._place, self._collection = place(), str(noted["collection"])
        self._columns = {
            field: Column(str(name), bool(several))
            for field, (name, several) in noted["columns"].items()
        }
        self._links = int(noted["links"])
        if noted["engine"] != self._place.kind:
            raise Unreadable(folder)
        try:
            load(self._place, self._collection, LOADED_S)
            # a server that has just started answers before it has everything in its memory
            held = retried(lambda again: counted(self._place, self._collection))
        except Gone:
            raise Unreadable(folder) from None
        if held != self.size:
            raise Unreadable(folder)

    def discard(self, folder: Path) -> None:
        noted = json.loads((folder / FILE).read_text())
        if noted["engine"] == (where := place()).kind:
            drop(where, str(noted["collection"]))

    def cost(self) -> Cost:
        """Of the engine, by arithmetic, for it does not say: vectors and the links of a graph, in
        its memory and on its disk; the vectors lie here besides, and are mapped."""
        held = self._vectors.nbytes + 4 * 2 * self._links * len(self._vectors)
        return Cost(held, held + self._vectors.nbytes, self._seconds)


def _leave(pid: int, where: Place, collection: str) -> None:
    if os.getpid() == pid:  # a forked worker leaves its parent's collections alone
        drop(where, collection)


indexes.add(Milvus.name, Milvus)
