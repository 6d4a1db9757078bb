"""Stanford Online Products in its distributed form (Song et al., *Deep Metric Learning via Lifted
Structured Feature Embedding*, CVPR 2016): 120,053 photographs of 22,634 products in 12
categories."""

import os

from core.datasets.base import datasets, file_stamp
from core.datasets.names import shown
from core.datasets.public import Public
from core.errors import UserError
from core.images import read_file
from core.types import Item, Protocol, Skipped

LISTS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}


class StanfordProducts(Public):
    """``Ebay_train.txt`` and ``Ebay_test.txt`` list ``image_id class_id super_class_id path``.

    The class is the product (``instance``), the super class its ``category`` and ``label``. As in
    the literature the test products search one another; the train products are for training.
    """

    name = "stanford_products"
    title = "Stanford Online Products"
    needs = ("Ebay_train.txt", "Ebay_test.txt")
    source = (
        "Stanford's page of the set (cvgl.stanford.edu/projects/lifted_struct), as"
        " Stanford_Online_Products.zip, unpacked"
    )
    size = 3_068_000_000

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        self.check()
        items: dict[str, Item] = {}
        skipped = []
        for split, name in LISTS.items():
            for number, line in self._lines(name):
                found = self._item(line, split)
                if isinstance(found, str):
                    skipped.append(Skipped(f"{name}, line {number}", found))
                elif found.id in items:
                    skipped.append(
                        Skipped(f"{name}, line {number}", "another line has this picture")
                    )
                else:
                    items[found.id] = found
        return [items[name] for name in sorted(items)], skipped

    def _lines(self, name: str) -> list[tuple[int, str]]:
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                return [
                    (number, line)
                    for number, line in enumerate(file, 1)
                    if number > 1 and line.strip()
                ]
        except OSError as error:
            raise UserError(f"{name} of {self.title} can't be read: {error.strerror}.") from error

    def _item(self, line: str, split: str) -> Item | str:
        cells = line.split()
        if len(cells) != 4 or os.path.isabs(cells[3]) or ".." in cells[3].split("/"):
            return "this line is not 'image_id class_id super_class_id path'"
        _, product, super_class, name = cells
        path = os.path.join(self.folder, name)
        try:
            stamp = file_stamp(path)
        except (OSError, ValueError):
            return f"{name} is not there"
        category = name.split("/")[0].removesuffix("_final") if "/" in name else super_class
        return Item(name, shown(path), category, product, category, split, stamp)

    def read(self, item: Item) -> bytes:
        return read_file(os.path.join(self.folder, item.id))

    def protocols(self) -> tuple[Protocol, ...]:
        test = ("test",)
        return (
            Protocol(
                "instance",
                "instance",
                test,
                test,
                note="test products search one another; relevant = same product",
            ),
            Protocol(
                "category",
                "category",
                test,
                test,
                ignore="instance",
                note=(
                    "relevant = same category, another product; pictures of the query's own product"
                    " are ignored"
                ),
            ),
        )


datasets.add(StanfordProducts.name, StanfordProducts)
