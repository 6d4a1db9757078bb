"""Builds: what one will cost, before it starts; and from a dataset and encoder names to embeddings
and an index, everything from the cache where it exists."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.device import threads
from core.encoders.base import Encoder, encoders
from core.encoders.imported import Imported
from core.errors import UserError
from core.indexes.base import indexes
from core.items import taken
from core.services.embedding import crops, embed, galleries, points, stored, usual
from core.services.embedding.bound import bound, prepared
from core.services.embedding.embed import drop_replaced, meta_of
from core.services.embedding.encoding import MAX_WORKERS, prepare_one
from core.services.embedding.passes import ENOUGH, Passes, build_times
from core.services.embedding.stored import BLOCK, KIND, causes, key_of, write_matrix
from core.services.hosting import limits
from core.services.specs import index_spec
from core.types import Embeddings, Item, Progress

PROBE = 8
PROBE_S = 3.0
COPIES = 3
"""How often the vectors lie on disk at the end of a build: parts, embeddings, index."""
BASE_RAM = 200 << 20
"""Bytes that a build of a handful of pictures holds with its workers, measured
(tools/measure_builds.py)."""
TORCH_RAM = 500 << 20
"""What torch, timm and a batch through a small network add to that, measured."""
ITEM_RAM = 1200
"""Resident bytes of one listed picture, measured."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A build before it starts. ``seconds`` is None where nothing was measured yet; ``missing``
    says what stands in the way."""

    pictures: int
    to_encode: int
    seconds: float | None
    ram_bytes: int
    disk_bytes: int
    download_bytes: int
    missing: tuple[str, ...]
    basis: str
    """Where ``seconds`` comes from."""
    changed: str = ""
    """What changed since an earlier build; empty where there is none, or it holds."""


def estimate(dataset: Dataset, name: str, *, probe: bool = True) -> Estimate:
    """Time, memory, disk and download of building ``name`` on ``dataset``.

    Args:
        probe: encode a few pictures where no earlier build tells the time; it may load a network,
            which takes seconds. Otherwise the latencies of a report tell it, measured perhaps on
            another machine, or nothing does.

    Raises:
        UserError: unknown name.
    """
    encoder = encoders.get(name)
    state = limits.within_reach(encoder.state())
    pictures, dim = len(dataset.items), max(encoder.dim, 1)
    source = encoders.get(encoder.base) if encoder.base else encoder
    to_encode = _pending(dataset, source)
    seconds, basis = (
        _seconds(dataset, source, to_encode, probe)
        if source.state().kind == "ready"
        else (None, "")
    )
    if encoder.matches and seconds == 0.0 and not points.are_built(dataset):
        to_encode = pictures  # its vectors are there, its key points are not
        seconds, basis = _seconds(dataset, source, to_encode, probe)
    disk = disk_bytes(dataset, encoder)
    return Estimate(
        pictures=pictures,
        to_encode=to_encode,
        seconds=seconds,
        ram_bytes=BASE_RAM
        + _network_ram(source, state.bytes)
        + (ITEM_RAM + 2 * 4 * dim) * pictures,
        disk_bytes=disk,
        download_bytes=state.bytes if state.kind == "download" else 0,
        missing=_missing(state.kind, state.detail, disk + state.bytes),
        basis=basis,
        changed=_changed(dataset, source) if to_encode else "",
    )


def _changed(dataset: Dataset, encoder: Encoder) -> str:
    found = _found(dataset, encoder)
    return "" if found is None else stored.since(dataset, found)


def disk_bytes(dataset: Dataset, encoder: Encoder) -> int:
    """What a build will write; 0 where its embeddings are there. Of an encoder that is not here yet
    the dimension may be unknown: then too little is said."""
    kept = _keypoint_bytes(dataset) if encoder.matches else 0
    if _is_found(dataset, encoder):
        return kept
    base = disk_bytes(dataset, encoders.get(encoder.base)) if encoder.base else 0
    return kept + base + 4 * max(encoder.stored_dim, 1) * len(dataset.items) * COPIES


def _keypoint_bytes(dataset: Dataset) -> int:
    """What the key points of a dataset will take at most; 0 where they are kept."""
    return 0 if points.are_built(dataset) else points.PICTURE_BYTES * len(dataset.items)


def _network_ram(encoder: Encoder, download: int) -> int:
    """Bytes for torch, the weights and as much again for what flows through them; none for the
    classical encoders."""
    if not hasattr(encoder, "use_precision"):
        return 0
    listed = getattr(encoder, "listed", None)
    return TORCH_RAM + 2 * (download or (listed.megabytes * 10**6 if listed else 0))


def _found(dataset: Dataset, encoder: Encoder) -> Encoder | None:
    """The encoder as a search would use it; None while weights or a fit are missing."""
    try:
        return bound(dataset, encoder.name).encoder if encoder.state().kind == "ready" else None
    except UserError:
        return None


def _is_found(dataset: Dataset, encoder: Encoder) -> bool:
    found = _found(dataset, encoder)
    return found is not None and stored.find(dataset, found) is not None


def _pending(dataset: Dataset, encoder: Encoder) -> int:
    if encoder.tier == "imported":
        return 0
    found = _found(dataset, encoder)
    return len(dataset.items) if found is None else embed.pending(dataset, found)


def _seconds(
    dataset: Dataset, encoder: Encoder, to_encode: int, probe: bool
) -> tuple[float | None, str]:
    """Seconds to encode: by an earlier build with this encoder, else by encoding a few pictures now
    or by a report."""
    if not to_encode:
        return 0.0, "nothing to encode"
    known = [entry for home in store.layers() for entry in store.entries(stored.KIND, home)]
    for meta in (entry.meta for entry in known):
        if (
            meta.get("encoder_name") == encoder.name
            and meta.get("encoded", 0) >= ENOUGH
            and meta.get("encode_s")
        ):
            return (
                to_encode * meta["encode_s"] / meta["encoded"],
                f"an earlier build of {meta['encoded']} pictures",
            )
    if not encoder.fitted:
        return None, "not known before it is fitted"
    if not probe:
        each = build_times().each.get(encoder.name)
        return (None, "") if each is None else (each * to_encode, "the latencies of a report")
    each, count = _probe(dataset, encoder)
    if each is None:
        return None, "none of the pictures tried could be used"
    return each * to_encode, f"encoding {count} pictures just now"


def _probe(dataset: Dataset, encoder: Encoder) -> tuple[float | None, int]:
    """Seconds a picture, and of how many. Preparing is shared by the workers; a network has all
    cores already."""
    encoder.load()
    encoder.encode([np.full((64, 64, 3), 127, np.uint8)])
    # neighbours, as a build reads them: jumping about in an archive costs many times more
    middle = max(0, len(dataset.items) // 2 - PROBE)
    first, *items = dataset.items[middle : middle + PROBE + 1]
    outcomes = [prepare_one(dataset, first, [encoder])]
    started = time.perf_counter()
    for item in items:
        outcomes.append(prepare_one(dataset, item, [encoder]))
        if time.perf_counter() - started > PROBE_S:
            break
    preparing = (
        (time.perf_counter() - started) / max(len(outcomes) - 1, 1) / min(threads(), MAX_WORKERS)
    )
    arrays = [array for one in outcomes if (array := one.array(0)) is not None]
    if not arrays:
        return None, 0
    started = time.perf_counter()
    encoder.encode_prepared(arrays)
    return preparing + (time.perf_counter() - started) / len(arrays), len(arrays)


def _missing(kind: str, detail: str, disk: int) -> tuple[str, ...]:
    found = []
    if kind == "unavailable":
        found.append(detail)
    try:
        root = store.root()
        store.make_folder(root)
        store.check_space(root, disk + (64 << 20))
    except (UserError, OSError) as error:
        found.append(str(error))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: rows and pictures passed over, how many were encoded now, and the seconds
    that it took; ``spent_s``: stage -> seconds of work of all threads or processes together, where
    pictures were encoded now."""

    dataset: str
    encoder: str
    index: str
    pictures: int
    skipped: int
    encoded: int
    seconds: float
    path: Path
    spent_s: dict[str, float] = field(default_factory=dict)


def build(
    dataset: Dataset,
    names: Sequence[str],
    index: str = "exact",
    progress: Progress | None = None,
    elsewhere: embed.Elsewhere | None = None,
    **knobs: float,
) -> list[Built]:
    """Embed ``dataset`` by each encoder (one pass over the pictures for all of them), then build
    ``index`` over its gallery. ``progress`` counts the pictures that an encoder is fitted on,
    those that are encoded, then vectors. ``elsewhere``: other machines encode, or have encoded.

    A set that can be downloaded is downloaded first.

    Raises:
        UserError: an unknown name, weights that can't be had, pictures that can't be used.
        Cancelled: ``progress`` said stop; finished parts are kept.
    """
    started = time.perf_counter()
    spec = index_spec(index)
    knobs = {**spec.build, **knobs}
    indexes.get(spec.name).fingerprint(
        **knobs
    )  # a wrong name is told now and not after hours of encoding
    for name in names:
        encoders.get(name)
    if not names:
        raise UserError("No encoder was named.", f"Known: {', '.join(encoders.names())}.")
    if dataset.state().kind == "download":
        limits.require_download(dataset.title or dataset.name)
        dataset.download(progress)
    check_disk(dataset, names)
    if elsewhere is not None:
        _build_bases(dataset, names, progress, elsewhere)
    passes = Passes(progress, dataset, names)
    made = []
    for name in names:
        made.append(prepared(dataset, name, passes.fitting(name)).encoder)
        passes.ready(name)
    made = list(
        {encoder.name: encoder for encoder in made}.values()
    )  # one encoder may have been spelt in two ways
    if cropped := [encoder.name for encoder in made if crops.MARK in encoder.name]:
        crops.remember(cropped)
    if any(encoder.matches for encoder in made):
        points.build(dataset, passes.pointing())
    own = [encoder for encoder in made if _own(encoder)]
    encoded = embed.embed(dataset, own, passes.encoding(), elsewhere) if own else {}
    last = passes.ending()
    built = [
        _result(dataset, encoder, spec.name, encoded.get(encoder.name, 0), started, knobs, last)
        for encoder in made
    ]
    passes.steps.close()
    return built


def _build_bases(
    dataset: Dataset, names: Sequence[str], progress: Progress | None, elsewhere: embed.Elsewhere
) -> None:
    """The vectors that encoders of vectors are fitted on; else they would be made here."""
    found: list[str] = []
    for name in names:
        while (base := encoders.get(name).base) is not None:
            found.insert(0, name := base)
    for name in dict.fromkeys(found):
        encoder = prepared(dataset, name, progress).encoder
        if _own(encoder):
            embed.embed(dataset, [encoder], progress, elsewhere)


def check_disk(dataset: Dataset, names: Sequence[str]) -> None:
    """Refuse what the disk can't hold, or the room of a visitor, before any picture is read. Raises
    UserError with the bytes needed and free."""
    store.make_folder(store.root())
    needed = sum(disk_bytes(dataset, encoders.get(name)) for name in names)
    if needed:
        limits.check_room(needed)
        store.check_space(store.root(), needed + (64 << 20))


def _own(encoder: Encoder) -> bool:
    return encoder.base is None and encoder.tier != "imported"


def _result(
    dataset: Dataset,
    encoder: Encoder,
    index: str,
    encoded: int,
    started: float,
    knobs: dict,
    progress: Progress | None,
) -> Built:
    path = stored.find(dataset, encoder) or _derived(dataset, encoder)
    _, rows = galleries.gallery_index(dataset, encoder, index, progress, objects=True, **knobs)
    galleries.follow(dataset, encoder, progress)
    if not encoder.matches:
        usual.keep(dataset, encoder, stored.read(dataset, encoder), rows, progress)
    meta = store.read_meta(path) or {}
    seconds = time.perf_counter() - started
    return Built(
        dataset.name,
        encoder.name,
        index,
        meta["pictures"],
        meta["skipped"],
        encoded,
        seconds,
        path,
        meta.get("spent_s", {}) if encoded else {},
    )


def _derived(dataset: Dataset, encoder: Encoder) -> Path:
    """The embeddings' folder of an encoder whose vectors follow from others."""
    if isinstance(encoder, Imported):
        return attach(dataset, encoder)
    base = prepared(dataset, str(encoder.base)).encoder
    embed.embed(dataset, [base])
    return derive(dataset, encoder, stored.read(dataset, base))


NO_VECTOR = "no vector was imported for it"
NO_DIRECTION = "its vector has no direction: every number in it is zero"


def derive(dataset: Dataset, encoder: Any, base: Embeddings) -> Path:
    """Embeddings of an encoder that transforms the finished vectors of another, a block at a time;
    no picture is read."""

    def write(folder: Path) -> dict:
        starts = range(0, len(base.ids), BLOCK)
        blocks = (
            encoder.transform(np.asarray(base.vectors[start : start + BLOCK])) for start in starts
        )
        write_matrix(folder / "vectors.npy", (len(base.ids), encoder.dim), blocks)
        rows = [dataset.items[dataset.rows[id]] for id in base.ids]
        missing = {key_of(dataset.items[dataset.rows[one.id]]): one.reason for one in base.skipped}
        _note_rows(folder, rows, missing)
        return meta_of(dataset, encoder, len(base.ids), len(base.skipped), 0)

    path = store.get_or_build(KIND, causes(dataset, encoder), write)
    drop_replaced(dataset, encoder)
    return path


def attach(dataset: Dataset, encoder: Imported) -> Path:
    """Embeddings from a user's own vectors, matched to the dataset's items by id; pictures without
    one, and those whose vector has no direction, are passed over.

    Raises:
        UserError: they belong to another dataset, or no id matches.
    """
    if encoder.source != dataset.locator:
        raise UserError(
            f"{encoder.name} are vectors for {encoder.source}, not for"
            f" {dataset.title or dataset.name}.",
            fix="Bring vectors for this dataset under another name.",
        )

    def write(folder: Path) -> dict:
        ids, vectors = encoder.lookup()
        row_of = {ids[row]: int(row) for row in np.flatnonzero(vectors.any(axis=1))}
        rows = np.array([row_of.get(id, -1) for id in dataset.ids], np.int64)
        kept = taken(dataset.items, np.flatnonzero(rows >= 0))
        if not len(kept):
            raise UserError(
                f"No vector of {encoder.name} has a direction and belongs to a picture of"
                f" {dataset.title or dataset.name}.",
                f"Its ids look like {dataset.items[0].id!r}; yours like {ids[0]!r}.",
            )
        there, known = rows[rows >= 0], set(ids)
        starts = range(0, len(there), BLOCK)
        blocks = (encoder.unit(vectors[there[start : start + BLOCK]]) for start in starts)
        write_matrix(folder / "vectors.npy", (len(there), encoder.dim), blocks)
        missing = {
            key_of(item): NO_DIRECTION if item.id in known else NO_VECTOR
            for item in taken(dataset.items, np.flatnonzero(rows < 0))
        }
        _note_rows(folder, kept, missing)
        return meta_of(dataset, encoder, len(kept), len(missing), 0)

    path = store.get_or_build(KIND, causes(dataset, encoder), write)
    drop_replaced(dataset, encoder)
    return path


def _note_rows(folder: Path, rows: Sequence[Item], skipped: dict[str, str]) -> None:
    """Say whose the rows are, and what has none."""
    (folder / "ids.json").write_text(json.dumps([item.id for item in rows]))
    (folder / "keys.json").write_text(json.dumps([key_of(item) for item in rows]))
    (folder / "skipped.json").write_text(json.dumps(skipped))
