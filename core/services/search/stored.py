"""What an engine reads from the disk, while its network and the library of that are loaded."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.indexes.base import Index
from core.services.embedding import embed, galleries
from core.services.embedding.bound import Bound
from core.services.embedding.usual import Usual, usual_or_later
from core.services.specs import IndexSpec
from core.types import Embeddings


@dataclass(slots=True)
class Stored:
    """Vectors with their folder, the index over the gallery with the embedding row of each of its
    rows, and what is usual there, which may be known later."""

    path: Path | None
    found: Embeddings
    index: Index
    rows: np.ndarray
    usual: Usual = field(default_factory=lambda: Usual(None))

    def tell(self, known: Usual) -> None:
        """What is usual is known now."""
        self.usual = known


def read(made: Bound, index: IndexSpec) -> tuple[Any, Stored]:
    """The encoder, loaded, and what is on the disk for it.

    The first network of a process waits two seconds for its library, on one core; meanwhile
    vectors are unpacked and compared on another.

    Raises:
        UserError: weights that can't be read, or embeddings that are not built.
    """
    if made.encoder.state().kind != "ready":  # weights that are not here are a cause of vectors
        encoder = made.loaded()
        return encoder, _stored(made.dataset, encoder, index)
    found = _begun(lambda: _stored(made.dataset, made.encoder, index), f"read {made.encoder.name}")
    try:
        encoder = made.loaded()
    finally:
        wait([found])
    return encoder, found.result()


def _begun(act: Callable[[], Stored], name: str) -> Future[Stored]:
    """``act`` at work in a daemon thread, which the end of the process does not wait for."""
    done: Future[Stored] = Future()

    def work() -> None:
        try:
            done.set_result(act())
        except BaseException as error:  # told to who waits
            done.set_exception(error)

    Thread(target=store.carried(work), name=name, daemon=True).start()
    return done


def _stored(dataset: Dataset, encoder: Encoder, index: IndexSpec) -> Stored:
    path, found = embed.find(dataset, encoder), embed.read(dataset, encoder)
    made, rows = galleries.gallery_index(dataset, encoder, index.name, objects=True, **index.build)
    kept = Stored(path, found, made, rows)
    if not encoder.matches:
        usual_or_later(dataset, encoder, found, rows, kept.tell)
    return kept
