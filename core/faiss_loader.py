"""The one place where faiss is imported: on first use, so that a search without it never pays for
it.

Two OpenMP run times in one process (faiss's and torch's) are known to clash on macOS, and a second
import elsewhere would hide which came first. k-means codebooks and indexes both come through here.
"""

from functools import cache
from types import ModuleType

from core.device import team
from core.errors import UserError


@cache
def faiss() -> ModuleType:
    """The faiss module, told to use no more threads than this process may run on, or was allowed.

    Raises:
        UserError: faiss is not installed, or does not load on this machine.
    """
    try:
        import faiss as module
    except ImportError as error:
        raise UserError(
            f"faiss can't be loaded here ({error}).",
            fix="Install the package faiss-cpu, or use the exact index.",
            command="Install it with: pip install faiss-cpu, or use the exact index.",
        ) from error
    module.omp_set_num_threads(team())
    return module
