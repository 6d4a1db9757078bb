"""The embedded gallery: 340 invented products from eight sides, rendered for this project (CC0)."""

import csv
from pathlib import Path

from core import store
from core.datasets.base import Dataset, datasets
from core.errors import UserError
from core.images import read_file
from core.types import Item, Protocol, Skipped

NUMBERS = {"view": int, "azimuth": float, "elevation": float, "lens_mm": int, "prop": int}
LISTS = ("colours", "materials")
WORDS = ("pattern", "main_colour_hex", "light", "environment", "backdrop", "tone")


class Catalogue(Dataset):
    """What came with the code: ``artifacts/catalogue/``. Its attributes come from the renderer, not
    from the pixels.

    ``label`` is the category; attributes are ``colours`` and ``materials`` (tuples of words),
    ``pattern``, ``main_colour_hex``, ``view`` (0-7), ``azimuth`` and ``elevation`` (degrees),
    ``lens_mm``, ``light``, ``environment``, ``backdrop``, ``tone``, ``prop`` (1 = another object in
    the frame), and ``box`` = (x0, y0, x1, y1) of the product in fractions of the picture.
    """

    stamps_tell_content = True

    name = "catalogue"
    title = "Catalogue"
    kind = "rendered"
    note = (
        "Rendered products on clean backgrounds: scores are higher here than on people's"
        " photographs."
    )

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or store.shipped() / "catalogue"

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        try:
            with open(self.folder / "items.csv", newline="", encoding="utf-8") as file:
                return (
                    sorted(
                        (self._item(row) for row in csv.DictReader(file)), key=lambda item: item.id
                    ),
                    [],
                )
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"The catalogue in {self.folder} can't be read: {error}.",
                fix="Get the project's artifacts/catalogue again.",
            ) from error

    def _item(self, row: dict[str, str]) -> Item:
        attributes: dict[str, object] = {key: tuple(row[key].split(";")) for key in LISTS}
        attributes |= {key: row[key] for key in WORDS}
        attributes |= {key: number(row[key]) for key, number in NUMBERS.items()}
        attributes["box"] = tuple(float(row[key]) for key in ("x0", "y0", "x1", "y1"))
        return Item(
            id=Path(row["file"]).stem,
            path=str(self.folder / "images" / row["file"]),
            label=row["category"],
            instance=row["instance"],
            category=row["category"],
            split=row["split"],
            # the picture's own digest and not its time: every clone has the same fingerprint
            stamp=row["sha256"][:20],
            attributes=attributes,
        )

    def read(self, item: Item) -> bytes:
        return read_file(item.path)

    def protocols(self) -> tuple[Protocol, ...]:
        return (
            Protocol(
                "instance",
                "instance",
                queries=("test",),
                note="test products search all; relevant = same product",
            ),
            Protocol(
                "category",
                "category",
                queries=("test",),
                ignore="instance",
                note=(
                    "test products search all; relevant = same category, another product; own views"
                    " are ignored"
                ),
            ),
        )


datasets.add(Catalogue.name, Catalogue)
