"""Who is searched, who searches, and what is right: a protocol as arrays over the rows of
vectors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

ALL = slice(None)


class Vectors(Protocol):
    """Rows that are read as they are asked for: an array, a memory map, or what stands for one."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is searched, who searches, and the codes that decide what is right, laid over the n rows
    of vectors.

    ``gallery`` and ``queries`` are int64 rows; the gallery is in the order that breaks ties.
    ``relevant`` and ``ignore`` are int64 (n,) codes of the field of each row, negative and
    different from each other where the field is unknown, so that nothing unknown ever equals
    anything. ``asking`` (n, dim) are the vectors that rows ask with where these are not those by
    which they are found, None where they are.
    """

    gallery: np.ndarray
    queries: np.ndarray
    relevant: np.ndarray
    ignore: np.ndarray
    asking: Vectors | None = None

    def junk(self, rows: np.ndarray, part: slice = ALL) -> np.ndarray:
        """bool (q, part of the gallery): the query itself, and what the protocol ignores."""
        gallery = self.gallery[part]
        return (self.ignore[gallery] == self.ignore[rows][:, None]) | (gallery == rows[:, None])

    def right(self, rows: np.ndarray, part: slice = ALL) -> np.ndarray:
        """bool (q, part of the gallery): the field is equal. Junk is not taken out."""
        return self.relevant[self.gallery[part]] == self.relevant[rows][:, None]
