"""One request, one way: from a picture to hits with their meaning, and the time of each stage.

Engines are in memory: made when they are first asked, or beforehand in the background, so that
nobody waits behind another. Background threads are daemons: a process that ends does not wait for
them.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.datasets.names import shown
from core.errors import UserError
from core.images import read_file
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.hosting import ownership
from core.services.hosting.settings import value
from core.services.search import subject
from core.services.search.engines import Engine
from core.services.search.request import Query, SearchRequest, item_of
from core.services.search.result import Place, SearchResult
from core.services.specs import IndexSpec, index_spec


def query_from_file(dataset: Dataset, path: str) -> Query:
    """A picture file, or ``id:NAME`` for a picture of the dataset, as a query.

    A file of the dataset is that picture of it, as if chosen there: it leaves itself out, and
    copies of it are shown.

    Raises:
        UserError: no such file, no such id.
    """
    if path.startswith("id:"):
        return Query(item_id=item_of(dataset, path[3:]).id, name=path[3:])
    known = {shown(path), shown(os.path.abspath(path)), shown(os.path.realpath(path))}
    for item in dataset.items:
        if item.path in known:
            return Query(item_id=item.id, name=item.id)
    return Query(data=read_file(path), name=shown(os.path.basename(path)))


def search(request: SearchRequest, dataset: Dataset) -> SearchResult:
    """The nearest pictures of a gallery, and how they were found.

    Where the request names a detector and its query has no box, the main box that it finds is
    searched with; where it finds none, all of the picture is, and ``note`` says why.

    Raises:
        UserError: an encoder that is not built, a picture that can't be read, a name, knob, field
            or value that is unknown.
    """
    spec = index_spec(request.index)
    made = engine(dataset, request.encoder, request.index)
    query, found = subject.cropped(request.query, dataset, request.crop)
    return subject.told(made.search(replace(request, query=query), spec), found)


def place(request: SearchRequest, dataset: Dataset, item_id: str) -> Place:
    """Where a picture stands in an encoder's full, exact order of the gallery; see
    :meth:`core.services.search.engines.Engine.place`."""
    return engine(dataset, request.encoder, "exact").place(request, item_id)


log = logging.getLogger(__name__)
MAX_ENGINES = 24
MAX_VISITORS = 1000
FAILED_S = 30.0
"""So long a background load's failure is the answer to whoever asks; after that it is tried
again."""
Key = tuple[str, str, str]
_engines: OrderedDict[Key, Engine] = OrderedDict()
_making: dict[Key, threading.Lock] = {}
_engines_lock = threading.Lock()
_loads: dict[Key, threading.Thread] = {}
_failures: dict[Key, tuple[float, Exception]] = {}
_changed = threading.Condition()
_builds: dict[str, tuple[float, set[tuple[str, str]]]] = {}
"""Visitor -> when their builds last changed, and which there were."""


def engine(dataset: Dataset, encoder: str, index: str = "exact") -> Engine:
    """The engine for (dataset, encoder, index), kept in memory while it is among the last used.

    Raises:
        UserError: unknown names, or embeddings that are not built.
    """
    spec = index_spec(index)
    key = _key(dataset, encoder, spec)
    if (failure := _take_failure(key)) is not None:
        raise failure
    return _held_or_made(key, dataset, encoder, spec)


def state(dataset: Dataset, encoder: str, index: str = "exact") -> str:
    """``ready`` (in memory), ``loading`` (in the background), ``failed`` (there, a moment ago: who
    asks gets the error) or ``absent``. Names that nothing answers to are ``failed``."""
    try:
        key = _key(dataset, encoder, index_spec(index))
    except UserError:
        return "failed"
    with _changed:
        return _state(key, dataset)


def query_ms(dataset: Dataset, encoder: str, index: str = "exact") -> float:
    """About how many milliseconds a query takes where the engine is in memory, else 0: only asking
    tells."""
    with suppress(UserError):
        known = _engines.get(_key(dataset, encoder, index_spec(index)))
        return known.query_ms if known is not None else 0.0
    return 0.0


def begin(dataset: Dataset, encoder: str, index: str = "exact") -> None:
    """Load an engine in the background unless it is in memory, being loaded, or has just failed to
    load."""
    with suppress(UserError):  # a name that nothing answers to: who asks is told
        spec = index_spec(index)
        key = _key(dataset, encoder, spec)
        with _changed:
            if _state(key, dataset) != "absent":
                return
            thread = threading.Thread(
                target=store.carried(_load),
                args=(key, dataset, encoder, spec),
                name=f"load {encoder}",
                daemon=True,
            )
            _loads[key] = thread
        thread.start()


def wait(
    dataset: Dataset, encoders: Sequence[str], index: str = "exact", timeout_s: float = 0.1
) -> bool:
    """Wait until one of these is no longer loading; False where the time was over first."""
    keys = [_key(dataset, encoder, index_spec(index)) for encoder in encoders]
    with _changed:
        return _changed.wait_for(lambda: any(key not in _loads for key in keys), timeout_s)


def _key(dataset: Dataset, encoder: str, spec: IndexSpec) -> Key:
    """Every cause of an engine: one that a visitor of a public server built is theirs alone."""
    whose, home = ownership.visitor(), ""
    if (
        whose is not None
        and ownership.is_private(lately=True, gallery=True)  # who has built nothing is asked often
        and (dataset.locator, encoder) in _built_by(whose)
    ):
        home = whose.name
    return (
        dataset.locator,
        encoder,
        store.fingerprint({"name": spec.name, "build": dict(spec.build), "home": home}),
    )


def _built_by(one: ownership.Visitor) -> set[tuple[str, str]]:
    """Data set and encoder of every build of a visitor."""
    folder = one.folder / "cache" / stored.KIND
    changed = store.changed(folder) if folder.is_dir() else 0.0
    known = _builds.get(one.name)
    if known is None or known[0] != changed:
        metas = [store.read_meta(path) or {} for path in store.listed(folder)] if changed else []
        built = {(meta.get("source", ""), meta.get("encoder_name", "")) for meta in metas}
        known = _builds[one.name] = changed, built
        for name in list(_builds)[:-MAX_VISITORS]:
            _builds.pop(name, None)
    return known[1]


def _release() -> None:
    """Let the least recently used engines go, with the encoders that no other one needs, where
    there are too many or they take more memory than the settings allow; the newest stays."""
    most = value("model_mb") * 1e6 or float("inf")
    while len(_engines) > 1 and (len(_engines) > MAX_ENGINES or held_bytes() > most):
        gone, _ = _engines.popitem(last=False)
        log.info("released %s for %s", gone[1], gone[0])


def held_bytes() -> int:
    """Bytes of vectors, indexes and networks in memory; what engines share counts once."""
    held: dict[int, int] = {}
    for engine in list(_engines.values()):
        held |= engine.memory()
    return sum(held.values())


def forget(folder: Path) -> None:
    """Keep nothing in memory of the data sets and vectors under a folder: it goes."""
    home = str(folder.absolute())
    with _engines_lock:
        for key in [key for key, engine in _engines.items() if _lies_in(home, key, engine)]:
            _engines.pop(key, None)
    _builds.pop(folder.name, None)


def _lies_in(home: str, key: Key, engine: Engine) -> bool:
    return key[0].startswith(home + os.sep) or str(engine.path).startswith(home + os.sep)


def _state(key: Key, dataset: Dataset) -> str:
    if key in _loads:
        return "loading"
    if key in _failures and time.monotonic() - _failures[key][0] < FAILED_S:
        return "failed"
    known = _engines.get(key)
    return "ready" if known is not None and known.serves(dataset) else "absent"


def _take_failure(key: Key) -> Exception | None:
    with _changed:
        when, failure = _failures.pop(key, (0.0, None))
    return failure if time.monotonic() - when < FAILED_S else None


def _load(key: Key, dataset: Dataset, encoder: str, spec: IndexSpec) -> None:
    failure: Exception | None = None
    try:
        _held_or_made(key, dataset, encoder, spec)
    except Exception as error:  # whoever asks next meets it, on a page that can show it
        log.info("loading %s for %s failed: %s", encoder, dataset.name, error)
        failure = error
    with _changed:
        del _loads[key]
        if failure is not None:
            _failures[key] = time.monotonic(), failure
        _changed.notify_all()


def _held_or_made(key: Key, dataset: Dataset, encoder: str, spec: IndexSpec) -> Engine:
    with _engines_lock:
        known = _engines.get(key)
        making = _making.setdefault(key, threading.Lock())
    if known is not None and known.serves(dataset):
        with _engines_lock, suppress(KeyError):
            _engines.move_to_end(key)
        return known
    try:
        with making:  # two visitors of one gallery load it once
            known = _engines.get(key)
            if known is None or not known.serves(dataset):
                known = Engine(bound(dataset, encoder), spec)
            with _engines_lock:
                _engines[key] = known
                _release()
            return known
    finally:
        _making.pop(key, None)
