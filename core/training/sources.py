"""What is learned from: each dataset's training pictures, their classes, and the part kept back for
validation. Pictures are decoded once to squares of bytes: on two cores decoding would cost more
than learning."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.datasets.paths import open_dataset
from core.errors import UserError
from core.images import decode, resize
from core.training.resolve import middle_of
from core.training.settings import Settings, expanded
from core.types import Item, Progress, report

MOST_VALIDATION = 2000
"""Pictures kept back at most: enough for a steady MAP@R, each compared with all others."""


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset as training sees it.

    ``pictures`` uint8 (n, side, side, 3); ``labels`` int64 (n,) positions in ``classes``, -1
    without; ``train`` and ``validation`` int64 rows, disjoint. ``field`` is what the classes are,
    ``held`` the ids of the pictures kept back.
    """

    name: str
    locator: str
    field: str
    classes: tuple[str, ...]
    pictures: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    note: str
    held: tuple[str, ...] = ()


def open_sources(
    settings: Settings, needs_labels: bool, progress: Progress | None = None
) -> list[Source]:
    """All sources of a run, decoded.

    Raises:
        UserError: no dataset, no labels where the loss needs them, a class with one picture, one
            class alone.
    """
    opened = opened_datasets(settings)
    # all checked before the first is decoded
    planned = [_plan(dataset, settings, needs_labels) for dataset in opened]
    return [
        _open(dataset, *plan, settings, progress)
        for dataset, plan in zip(opened, planned, strict=True)
    ]


def opened_datasets(settings: Settings) -> list[Dataset]:
    """The datasets that a run names, listed, not decoded. Raises UserError where there is none."""
    if not settings.datasets:
        raise UserError(
            "No dataset was named to learn from.",
            fix="Choose one or more.",
            command="Give one or more with --dataset.",
        )
    return [open_dataset(expanded(locator)) for locator in settings.datasets]


def training_items(dataset: Dataset) -> list[Item]:
    """The pictures that may be learned from: the usual protocol's gallery, no query split."""
    protocol = dataset.protocol()
    kept = [item for item in dataset.items if protocol.in_gallery(item)]
    return [item for item in kept if not protocol.queries or not protocol.is_query(item)]


def class_field(dataset: Dataset, items: Sequence[Item], target: str) -> str:
    """Which field of the items tells their classes. Raises UserError where none does."""
    if target != "auto":
        wanted = [target]
    else:
        wanted = [dataset.protocol().relevant, "instance", "label", "category"]
    for name in wanted:
        if any(item.value(name) is not None for item in items):
            return name
    raise UserError(
        f"The pictures of {dataset.title or dataset.name} have no"
        f" {' or '.join(dict.fromkeys(wanted))}.",
        "This recipe learns from labels.",
        "Sort the pictures into one folder per class, or use the recipe selfsup or autoencoder.",
    )


def _plan(dataset: Dataset, settings: Settings, needs_labels: bool) -> tuple[list[Item], str]:
    items = training_items(dataset)
    if len(items) < 4:
        raise UserError(
            f"{dataset.title or dataset.name} has {len(items)} pictures to learn from; that is too"
            " few."
        )
    try:
        name = class_field(dataset, items, settings.target)
    except UserError:
        if needs_labels:
            raise
        return items, ""
    if needs_labels:
        items = [item for item in items if item.value(name) is not None]
        _check_classes(dataset, Counter(str(item.value(name)) for item in items), name)
    return items, name


def _check_classes(dataset: Dataset, counts: Counter, name: str) -> None:
    if len(counts) < 2:
        raise UserError(
            f"All pictures of {dataset.title or dataset.name} have the same {name},"
            f" {next(iter(counts))!r}.",
            "Learning to tell classes apart needs two.",
        )
    lonely = [word for word, count in counts.items() if count < 2]
    if lonely:
        shown = ", ".join(repr(word) for word in lonely[:3]) + (" ..." if len(lonely) > 3 else "")
        raise UserError(
            f"{len(lonely)} of {len(counts)} classes of {dataset.title or dataset.name} have one"
            f" picture: {shown}.",
            "Every class needs two pictures and more.",
            "Add pictures to them, or take these classes out.",
        )


def _open(
    dataset: Dataset, items: list[Item], name: str, settings: Settings, progress: Progress | None
) -> Source:
    middle = middle_of(settings) is not None
    pictures, rows = cached_pictures(dataset, items, settings.size, progress, middle)
    classes, labels, train, held = _divided([items[row] for row in rows], name, settings)
    note = (
        f"{len(train):,} pictures, {len(classes):,} classes by {name or 'none'};"
        f" {len(held):,} more kept back for validation"
    )
    ids = tuple(items[rows[row]].id for row in held)
    return Source(
        dataset.name, dataset.locator, name, classes, pictures, labels, train, held, note, ids
    )


def _divided(
    items: Sequence[Item], name: str, settings: Settings
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Classes, the code of each item, and the rows to learn from and kept back."""
    words = [
        str(item.value(name)) if name and item.value(name) is not None else None for item in items
    ]
    classes = tuple(sorted({word for word in words if word is not None}))
    code = {word: position for position, word in enumerate(classes)}
    labels = np.array([-1 if word is None else code[word] for word in words], np.int64)
    return (
        classes,
        labels,
        *split(labels, [item.instance for item in items], settings.validation, settings.seed),
    )


@dataclass(frozen=True, slots=True)
class Outline:
    """One dataset of a run before any picture is decoded: how many are learned from and kept back
    (unreadable ones are still counted), and the sizes of the classes, pictures kept back included;
    ``field`` is "" without labels. ``pictures`` counts all of the dataset, queries included."""

    name: str
    title: str
    field: str
    classes: int
    smallest: int
    largest: int
    learned: int
    kept_back: int
    kept_whole: bool
    pictures: int = 0


def outline(settings: Settings, needs_labels: bool) -> list[Outline]:
    """What a run would learn from. Raises UserError as :func:`open_sources`, undecoded."""
    opened = opened_datasets(settings)
    return [
        _outline(dataset, *_plan(dataset, settings, needs_labels), settings) for dataset in opened
    ]


def _outline(dataset: Dataset, items: list[Item], name: str, settings: Settings) -> Outline:
    classes, labels, train, held = _divided(items, name, settings)
    counts = np.bincount(labels[labels >= 0]) if len(classes) else np.zeros(1, np.int64)
    whole = bool(len(held)) and all(item.instance is not None for item in items)
    return Outline(
        dataset.name,
        dataset.title or dataset.name,
        name,
        len(classes),
        int(counts.min()),
        int(counts.max()),
        len(train),
        len(held),
        whole,
        len(dataset.items),
    )


def made_up(settings: Settings, found: Sequence[Outline]) -> list[Source]:
    """Sources of noise with the classes of the real ones: a step costs as much."""
    rng, count = np.random.default_rng(0), max(settings.batch, 8)
    rows, sources = np.arange(count), []
    for one in found:
        pictures = rng.integers(0, 256, (count, settings.size, settings.size, 3), np.uint8)
        classes = tuple(map(str, range(one.classes)))
        labels = rows // 2 % len(classes) if classes else np.full(count, -1)
        sources.append(
            Source(one.name, one.name, one.field, classes, pictures, labels, rows, rows[:0], "")
        )
    return sources


def split(
    labels: np.ndarray, groups: Sequence[str | None], share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows kept back: whole groups (instances) where known, else the same
    share of every class.

    A class or group always leaves two pictures or more on the side that it is on. Rows come sorted.
    """
    rng = np.random.default_rng(seed)
    share = min(share, MOST_VALIDATION / max(len(labels), 1))
    known = np.array([group is not None for group in groups])
    if known.all():
        held = _whole_groups(labels, groups, share, rng)
    else:
        held = _stratified(labels, share, rng)
    kept = np.sort(np.array(held, np.int64))
    return np.setdiff1d(np.arange(len(labels)), kept), kept


def _whole_groups(
    labels: np.ndarray, groups: Sequence[str | None], share: float, rng: np.random.Generator
) -> list[int]:
    """A share of the instances of every class; of instances, where these are the classes."""
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(str(group), []).append(row)
    same = (
        len({(labels[row], group) for row, group in enumerate(groups)})
        == len(members)
        == len(set(labels.tolist()))
    )
    by_class: dict[int, list[str]] = {}
    for group, rows in members.items():
        by_class.setdefault(0 if same else int(labels[rows[0]]), []).append(group)
    held: list[int] = []
    for names in by_class.values():
        count = round(share * len(names))
        chosen = rng.permutation(len(names))[
            : count if count >= 2 or not same else 2 if len(names) >= 8 and share else 0
        ]
        held += (
            [row for position in chosen for row in members[names[position]]]
            if len(names) > len(chosen)
            else []
        )
    return held


def _stratified(labels: np.ndarray, share: float, rng: np.random.Generator) -> list[int]:
    held: list[int] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(2, round(share * len(rows))) if share and len(rows) >= 4 else 0
        held += rng.permutation(rows)[:count].tolist()
    return held


KIND = "pictures"
SLACK = 1.5
"""Kept larger than the network's input by this factor where the source allows, so that crops stay
sharp; never larger than the pictures are: a crop is stretched when it is shown."""
STEP = 16


def kept_side(dataset: Dataset, items: Sequence[Item], size: int) -> int:
    """Side at which pictures are kept: ``SLACK`` times the input, no larger than they are."""
    wanted = int(size * SLACK)
    for item in items[:20]:
        try:
            return max(16, min(wanted, min(decode(dataset.read(item)).shape[:2])))
        except UserError:
            continue
    return wanted


def cached_pictures(
    dataset: Dataset,
    items: Sequence[Item],
    size: int,
    progress: Progress | None = None,
    middle: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Squares of all readable ``items``, memory-mapped from the cache.

    Returns:
        uint8 (n, side, side, 3), the whole picture squeezed into the square (or its middle square),
        and int64 (n,): the item of each.

    Raises:
        UserError: the disk is full, or no picture can be decoded.
    """
    side = kept_side(dataset, items, size)
    causes = {
        "dataset": dataset.fingerprint(),
        "items": store.fingerprint([item.id for item in items]),
        "side": side,
        **({"middle": True} if middle else {}),
    }
    store.check_space(store.root(), len(items) * side * side * 3 + (64 << 20))
    return store.kept(
        KIND,
        causes,
        lambda path: _write_pictures(path, dataset, items, side, progress, middle),
        _read_pictures,
        progress,
    )


def _read_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    pictures, rows = np.load(folder / "pictures.npy", mmap_mode="r"), np.load(folder / "rows.npy")
    if pictures.ndim != 4 or rows.shape != pictures.shape[:1]:
        raise ValueError(f"pictures {pictures.shape} for rows {rows.shape}")
    return pictures, rows


def _write_pictures(
    folder: Path,
    dataset: Dataset,
    items: Sequence[Item],
    side: int,
    progress: Progress | None,
    middle: bool,
) -> dict:
    out = np.lib.format.open_memmap(
        folder / "all.npy", mode="w+", dtype=np.uint8, shape=(len(items), side, side, 3)
    )
    rows: list = []
    for number, item in enumerate(items):
        if number % STEP == 0:
            report(progress, number, len(items))
        try:
            image = decode(dataset.read(item), side)
            out[len(rows)] = resize(_middle_square(image) if middle else image, side, side)
            rows.append(number)
        except UserError:
            continue
    report(progress, len(items), len(items))
    if not rows:
        raise UserError(
            f"None of the {len(items)} pictures of {dataset.title or dataset.name} can be decoded."
        )
    out.flush()
    _keep_first(folder, out, len(rows))
    np.save(folder / "rows.npy", np.array(rows, np.int64))
    return {"dataset_name": dataset.name, "pictures": len(rows), "skipped": len(items) - len(rows)}


def _middle_square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _keep_first(folder: Path, out: np.ndarray, count: int) -> None:
    """Rename where every picture was readable; copy the good ones where not."""
    if count == len(out):
        (folder / "all.npy").rename(folder / "pictures.npy")
        return
    np.save(folder / "pictures.npy", out[:count])
    (folder / "all.npy").unlink()
