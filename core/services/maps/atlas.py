"""Small pictures of a whole set on a few sheets, for hovering and for drawing pictures on a map:
one fetch, no round trips."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.images import decode
from core.services.embedding.bound import sample_items
from core.types import Item, Progress, report

SIDE = 48
MOST = 2_800
"""Pictures on the sheet of a page; of a larger set a fixed sample, spread over it."""
SHEET = 4096
SIDES = (64, 48, 32, 24)
PIXELS = 32_000_000
GREY = 200


@dataclass(frozen=True, slots=True)
class Atlas:
    """``sheets``: WebP files of square pictures in the order of ``ids``.

    A picture has ``side`` pixels; ``columns`` stand in a row and ``per_sheet`` on a sheet.
    """

    ids: tuple[str, ...]
    sheets: tuple[bytes, ...]
    side: int
    columns: int
    per_sheet: int


def get(
    dataset: Dataset, progress: Progress | None = None, *, may_build: bool = True
) -> Atlas | None:
    """The sheet of a page, from the cache; None where it is not there and may not be made now."""
    key = store.key(causes(dataset))
    path = store.find("maps", key) or store.came("maps", "atlas", key)
    if path is not None:
        try:
            return _read(path)
        except store.UNREADABLE as error:
            store.drop(path, error)
            return get(dataset, progress, may_build=may_build)
    if not may_build:
        return None
    return _read(
        store.get_or_build(
            "maps", causes(dataset), lambda folder: _write(folder, dataset, progress), progress
        )
    )


def _read(path: Path) -> Atlas:
    noted = json.loads((path / "atlas.json").read_text())
    return Atlas(
        tuple(noted["ids"]),
        ((path / "atlas.webp").read_bytes(),),
        SIDE,
        noted["columns"],
        len(noted["ids"]),
    )


def causes(dataset: Dataset) -> dict:
    """What the sheet of a page depends on."""
    return {"atlas": dataset.fingerprint(), "side": SIDE, "most": MOST, "version": 1}


def _write(folder: Path, dataset: Dataset, progress: Progress | None) -> dict:
    items = dataset.items if len(dataset.items) <= MOST else sample_items(dataset.items, MOST)
    chosen = sorted(items, key=lambda item: dataset.rows[item.id])
    made = draw(dataset, chosen, SIDE, progress)
    (folder / "atlas.webp").write_bytes(made.sheets[0])
    (folder / "atlas.json").write_text(json.dumps({"ids": list(made.ids), "columns": made.columns}))
    return dataset.owned(index="pictures of the map")


def side_for(count: int) -> int:
    """The largest size at which ``count`` pictures stay within the pixels allowed; the smallest
    where none does."""
    return next((side for side in SIDES if count * side * side <= PIXELS), SIDES[-1])


def draw(
    dataset: Dataset,
    items: Sequence[Item],
    side: int,
    progress: Progress | None = None,
    quality: int = 72,
) -> Atlas:
    """Sheets of the pictures of ``items``; one that can't be decoded is a grey square."""
    columns = min(max(int(np.ceil(np.sqrt(len(items)))), 1), SHEET // side)
    per_sheet = columns * (SHEET // side)
    sheets = []
    for start in range(0, len(items), per_sheet):
        part = items[start : start + per_sheet]
        sheet = np.full(
            (-(-len(part) // columns) * side, min(columns, len(part)) * side, 3), GREY, np.uint8
        )
        for place, item in enumerate(part):
            if place % 50 == 0:
                report(progress, start + place, len(items))
            top, left = place // columns * side, place % columns * side
            sheet[top : top + side, left : left + side] = _square(dataset, item, side)
        sheets.append(_webp(sheet, quality))
    report(progress, len(items), len(items))
    return Atlas(tuple(item.id for item in items), tuple(sheets), side, columns, per_sheet)


def _square(dataset: Dataset, item: Item, side: int) -> np.ndarray | int:
    """The middle square of a picture, uint8 (side, side, 3)."""
    from PIL import Image

    try:
        image = decode(dataset.read(item), side)
    except UserError:
        return GREY
    height, width = image.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = Image.fromarray(np.ascontiguousarray(image[top : top + edge, left : left + edge]))
    return np.asarray(
        middle.resize(
            (side, side), Image.Resampling.BOX if edge > 4 * side else Image.Resampling.BICUBIC
        )
    )


def _webp(sheet: np.ndarray, quality: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()
