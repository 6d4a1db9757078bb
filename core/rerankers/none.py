"""No re-ranking: the order of the search."""

import numpy as np

from core.rerankers.base import NONE, Found, Reranker, rerankers


class Nothing(Reranker):
    """The hits as they were found."""

    name = NONE
    title = "No re-ranking"
    about = "Shows the hits in the order in which the index found them."

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        return found.cosines, ""


rerankers.add(Nothing.name, Nothing)
