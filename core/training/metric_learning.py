"""pytorch-metric-learning, kept from touching what is not its own."""

import sys
from types import ModuleType

PATCH = "faiss.contrib.torch_utils"


def leave_faiss_alone() -> None:
    """Call before the package is first imported in a process.

    On import it loads a module of faiss that replaces the search of every faiss index by one
    without search knobs. Nothing here uses that module, so an empty one takes its place.
    """
    sys.modules.setdefault(PATCH, ModuleType(PATCH))
