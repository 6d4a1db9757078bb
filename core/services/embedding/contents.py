"""What pictures held when they were read for a build: a digest for each state of each picture, by
source."""

import hashlib
import io
import json
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.services.embedding.shards import key_of, short_of
from core.types import Item

KIND = "contents"
ROW = np.dtype([("key", "<u8"), ("digest", "<u8")])


def digest(data: bytes) -> int:
    """64 bits of the sha256 of a picture's bytes."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


class Notes:
    """Contents of the pictures that a build reads; 16 bytes each."""

    def __init__(self) -> None:
        self._rows: dict[Dataset, tuple[array, array]] = {}
        self._kept: dict[Dataset, int] = {}

    def add(self, dataset: Dataset, item: Item, content: int | None) -> None:
        """Note a picture with the source that it comes from."""
        if content is not None:
            self.add_own(*dataset.origin(item), content)

    def add_own(self, source: Dataset, own: Item, content: int | None) -> None:
        """Note a picture of the source itself."""
        if content is not None:
            keys, digests = self._rows.setdefault(source, (array("Q"), array("Q")))
            keys.append(short(own))
            digests.append(content)

    def keep(self) -> None:
        """Add to what is known of each source. What was known first stays: by that the vectors were
        made."""
        for source, (keys, digests) in self._rows.items():
            if self._kept.get(source) == len(keys):
                continue
            write(
                source.locator,
                source.items,
                dict(zip(keys, digests, strict=True)) | known(source.locator),
            )
            self._kept[source] = len(keys)


def short(item: Item) -> int:
    """64 bits for one state of one picture."""
    return short_of(key_of(item))


def known(locator: str) -> dict[int, int]:
    """State of a picture -> digest of its content; empty where nothing was noted, or nothing that
    can be read."""
    try:
        rows = np.load(store.existing(_file(locator)), allow_pickle=False)
        return dict(zip(rows["key"].tolist(), rows["digest"].tolist(), strict=True))
    except store.UNREADABLE:
        return {}


def keys_in(path: Path) -> list[str]:
    """The key of the picture in each row of finished embeddings. Raises ValueError and the like
    where they can't be read."""
    return list(json.loads((path / "keys.json").read_text()))


def write(locator: str, items: Sequence[Item], found: dict[int, int]) -> None:
    """Keep what is known of the pictures of a source as they are now, and of about as many that
    went: embeddings of before may hold what came back under another name."""
    now = dict.fromkeys(short(item) for item in items)
    gone = [key for key in found if key not in now][: len(now)]
    keys = [*(key for key in now if key in found), *gone]
    to = io.BytesIO()
    np.save(to, np.array([(key, found[key]) for key in keys], ROW))
    store.write_bytes(_file(locator), to.getvalue())


def _file(locator: str) -> Path:
    return store.cache(KIND) / f"{store.fingerprint(locator)}.npy"
