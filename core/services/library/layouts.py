"""How the labels of a data set were understood from its folders, and the correction of it."""

from core.datasets import layout
from core.datasets.base import Dataset
from core.datasets.folder import Folder, layout_of, place_of
from core.datasets.zipped import Zip
from core.errors import UserError
from core.services.library import library

EXAMPLES = 6
FLAT = layout.FLAT
"""The layout of a set without folders."""
FOUND = "found"
"""The word for the layout that is found from the folders."""


def layout_row(locator: str) -> dict | None:
    """How the folders of a data set were understood; None where labels do not come from folders.

    ``layout`` in words of :mod:`core.datasets.layout`, ``found`` the one without a correction,
    ``chosen`` whether there is a correction, ``choices`` layouts that are worth offering,
    ``examples`` some pictures with what their folders say of them.

    Raises:
        UserError: nothing there.
    """
    return told(library.open_dataset(locator))


def told(dataset: Dataset) -> dict | None:
    """The same of a data set that is open already, listed in the library or not."""
    if not isinstance(dataset, Folder | Zip) or not dataset.items:
        return None
    found, chosen = layout_of(dataset), layout.chosen(dataset.locator)
    used = found if chosen is None else chosen
    levels = max(place_of(dataset, item).count("/") for item in dataset.items)
    choices = dict.fromkeys((layout.written(found), layout.written(used), *_choices(levels)))
    return {
        "layout": layout.written(used),
        "found": layout.written(found),
        "chosen": chosen is not None,
        "choices": list(choices),
        "examples": _examples(dataset),
    }


def choose_layout(locator: str, text: str) -> None:
    """Correct how the folders of a data set are understood; ``found`` takes the correction back.

    Raises:
        UserError: no layout, or a data set whose labels do not come from folders.
    """
    dataset = library.open_dataset(locator)
    if not isinstance(dataset, Folder | Zip):
        title = dataset.title or dataset.name
        raise UserError(
            f"The labels of {title} do not come from folders.", "Those of a folder or a zip do."
        )
    layout.choose(dataset.locator, None if text.strip().lower() == FOUND else layout.parse(text))
    library.open_dataset(locator, fresh=True)


def _choices(levels: int) -> list[str]:
    """Layouts for folders so many levels deep: the meaning starts at any level."""
    endings = ((layout.CLASS,), (layout.CATEGORY, layout.INSTANCE))
    made = [layout.FLAT]
    for ignored in range(levels):
        start = (layout.NOTHING,) * ignored
        made += [
            layout.written((*start, *split, *end))
            for split in ((), (layout.SPLIT,))
            for end in endings
            if ignored + len(split) + len(end) <= levels
        ]
    return made


def _examples(dataset: Dataset) -> list[dict]:
    """Pictures from all over the set, one a folder as far as there are so many."""
    firsts = {place_of(dataset, item).rpartition("/")[0]: item for item in reversed(dataset.items)}
    some = sorted(firsts.values(), key=lambda item: item.id)
    spread = some[:: max(1, -(-len(some) // EXAMPLES))]
    fields = ("label", "split", "category", "instance")
    return [
        {"picture": place_of(dataset, item), **{name: getattr(item, name) or "" for name in fields}}
        for item in spread
    ]
