"""What a build will cost, and what is missing for it, before it starts."""

import time
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.faiss_loader import threads
from core.services.embedding import embed, opening, points
from core.services.embedding.bound import bound
from core.services.embedding.encoding import MAX_WORKERS, prepare_one

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
    state = encoder.state()
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
    return "" if found is None else embed.since(dataset, found)


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
    return found is not None and embed.find(dataset, found) is not None


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
    known = [entry for home in store.layers() for entry in store.entries(embed.KIND, home)]
    for meta in (entry.meta for entry in known):
        if (
            meta.get("encoder_name") == encoder.name
            and meta.get("encoded", 0) >= 200
            and meta.get("encode_s")
        ):
            return (
                to_encode * meta["encode_s"] / meta["encoded"],
                f"an earlier build of {meta['encoded']} pictures",
            )
    if not encoder.fitted:
        return None, "not known before it is fitted"
    if not probe:
        each = opening.build_times().each.get(encoder.name)
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
