"""Fashion Product Images: ``styles.csv`` and ``images/<id>.jpg`` (44,000 products)."""

import csv
import os

from core.datasets.base import datasets, file_stamp
from core.datasets.names import shown
from core.datasets.public import Public
from core.errors import UserError
from core.images import read_file
from core.types import Item, Skipped

ATTRIBUTES = (
    "gender",
    "subCategory",
    "baseColour",
    "season",
    "year",
    "usage",
    "productDisplayName",
)
COLUMNS = ("id", "masterCategory", "articleType", *ATTRIBUTES)


class FashionProducts(Public):
    """``label`` is the article type, ``category`` the master category; gender, colour, season ...
    are attributes.

    Some lines of ``styles.csv`` have commas in the product's name and no quotes; the name is the
    last column, so what is too much belongs to it.
    """

    name = "fashion_products"
    title = "Fashion Product Images"
    needs = ("styles.csv", "images")
    source = "Kaggle (paramaggarwal/fashion-product-images-small or -dataset), unpacked"
    size = 593_000_000

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        self.check()
        items: dict[str, Item] = {}
        skipped = []
        for number, row in self._rows():
            found = self._item(row) if isinstance(row, dict) else row
            if isinstance(found, str):
                skipped.append(Skipped(f"styles.csv, line {number}", found))
            elif found.id in items:
                skipped.append(Skipped(found.id, "another line has this id"))
            else:
                items[found.id] = found
        return [items[name] for name in sorted(items)], skipped

    def _rows(self) -> list[tuple[int, dict[str, str] | str]]:
        try:
            with open(
                os.path.join(self.folder, "styles.csv"),
                newline="",
                encoding="utf-8",
                errors="replace",
            ) as file:
                rows = csv.reader(file)
                header = next(rows, [])
                self._check_header(header)
                return [(rows.line_num, _row(header, cells)) for cells in rows if cells]
        except (OSError, csv.Error) as error:
            raise UserError(
                f"styles.csv of {self.title} can't be read: {error}.", fix="Get it again."
            ) from error

    def _check_header(self, header: list[str]) -> None:
        if absent := [name for name in COLUMNS if name not in header]:
            raise UserError(
                f"styles.csv has no column {', '.join(absent)}.",
                f"Its columns are {', '.join(COLUMNS)}.",
            )

    def _item(self, row: dict[str, str]) -> Item | str:
        number = row["id"]
        if not number.isalnum():
            return "its id is no number"
        path = os.path.join(self.folder, "images", f"{number}.jpg")
        try:
            stamp = file_stamp(path)
        except OSError:
            return f"images/{number}.jpg is not there"
        attributes = {
            name: _value(name, row[name]) for name in ATTRIBUTES if row[name] not in ("", "NA")
        }
        label, category = row["articleType"] or None, row["masterCategory"] or None
        return Item(
            number, shown(path), label=label, category=category, stamp=stamp, attributes=attributes
        )

    def read(self, item: Item) -> bytes:
        return read_file(os.path.join(self.folder, "images", f"{item.id}.jpg"))


def _row(header: list[str], cells: list[str]) -> dict[str, str] | str:
    if len(cells) < len(header):
        return f"it has {len(cells)} columns, the header {len(header)}"
    last = len(header) - 1
    return dict(zip(header, [*cells[:last], ",".join(cells[last:])], strict=True))


def _value(name: str, text: str) -> str | int:
    return int(float(text)) if name == "year" and text.replace(".", "", 1).isdecimal() else text


datasets.add(FashionProducts.name, FashionProducts)
