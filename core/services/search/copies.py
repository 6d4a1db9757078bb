"""Which answers are the very file that was asked with."""

from core.datasets.base import Dataset
from core.errors import UserError
from core.types import Item

NEAR = 0.999
"""An answer is compared with the query byte for byte where its cosine is at least this: the same
file gives the same vector but for rounding."""


def same_file(dataset: Dataset, item: Item, data: bytes) -> bool:
    """Whether a picture's file holds these bytes; False where it can't be read any more: nothing is
    known of it then."""
    try:
        return dataset.read(item) == data
    except UserError:
        return False
