"""Load what most visitors ask first: once a process, in the background, never at import."""

import gc
import logging
import os
import threading
import time
from collections.abc import Sequence

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.embedding.bound import is_built
from core.services.evaluation import leaderboard
from core.services.library import library
from core.services.search import serving

log = logging.getLogger(__name__)
SWITCH, REPORT = "LOOKALIKE_WARM", "leaderboard"
"""``0`` in the environment: nothing is loaded before it is asked for."""
LATER_S = 5.0
"""So long the rest waits for the engines: the first page's visitor is answered just then."""
SELDOM = 5000
"""So many new objects, not 700, until the next collection: one of all that pages hold stops every
thread for 0.2 s, and came every 6 s of the processor with 12 visitors."""
_started = threading.Lock()


def start(locator: str, encoders: Sequence[str], index: str = "exact") -> threading.Thread | None:
    """Load the engines of these encoders for one data set, all at once: libraries are imported on
    one core while another works. What is not built there is passed over, and nothing is built or
    downloaded.

    Returns:
        The thread, a daemon that the end of the process does not wait for; None where this was
        called before, or is switched off.
    """
    if os.environ.get(SWITCH) == "0" or not _started.acquire(blocking=False):
        return None
    thread = threading.Thread(
        target=_warm, args=(locator, tuple(encoders), index), name="warm up", daemon=True
    )
    thread.start()
    return thread


def _warm(locator: str, encoders: Sequence[str], index: str) -> None:
    for act in (_begin, _finish):
        for name in encoders:
            try:
                act(library.open_dataset(locator), name, index)
            except UserError as error:
                log.info("%s was not loaded beforehand: %s", name, error)
            except Exception:
                log.exception("%s was not loaded beforehand", name)
    time.sleep(LATER_S)
    try:
        leaderboard.prepare(REPORT)
    except Exception:
        log.exception("the first leaderboard was not prepared")
    gc.collect()
    gc.freeze()  # what is in memory now stays: no later collection has to go through it
    gc.set_threshold(SELDOM)


def _begin(dataset: Dataset, name: str, index: str) -> None:
    if is_built(dataset, name):
        serving.begin(dataset, name, index)


def _finish(dataset: Dataset, name: str, index: str) -> None:
    while serving.state(dataset, name, index) == "loading":
        serving.wait(dataset, [name], index, 1.0)
