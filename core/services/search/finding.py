"""Subjects found in the background: whatever is shown meanwhile does not wait for a detector.

Pictures are looked at one after another: a detector uses every core, and two at once would only
hold each other up. On a public server each uses one core (:mod:`.cores`).
"""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from core import store
from core.datasets.base import Dataset
from core.detectors.base import detectors
from core.errors import UserError
from core.services.search import cores
from core.services.search.request import Query
from core.services.search.subject import WHOLE, Subject, located

log = logging.getLogger(__name__)
MAX_KEPT = 300
Key = tuple[str, str]
_found: OrderedDict[Key, Subject] = OrderedDict()
_at_work: set[Key] = set()
_changed = threading.Condition()
_turn = threading.Lock()


def found(query: Query, detector: str, dataset: Dataset) -> Subject | None:
    """What the detector found in the picture of a query; None where nobody has asked it
    (:func:`begin`), or it still looks.

    Raises:
        UserError: a name that no detector has.
    """
    key = _key(query, detector, dataset)
    with _changed:
        if key in _found:
            _found.move_to_end(key)
        return _found.get(key)


def begin(query: Query, detector: str, dataset: Dataset) -> Callable[[float], bool]:
    """Let the detector look in the background, unless it does or has. What goes wrong is the
    ``note`` of what it found.

    Returns:
        What waits until it no longer looks, so many seconds at most, and says whether it does not.

    Raises:
        UserError: a name that no detector has.
    """
    key = _key(query, detector, dataset)
    with _changed:
        if key in _found or key in _at_work:
            return partial(_wait, key)
        _at_work.add(key)
    threading.Thread(
        target=store.carried(_look),
        args=(key, query, detector, dataset),
        name=f"look with {detector}",
        daemon=True,
    ).start()
    return partial(_wait, key)


def _wait(key: Key, timeout_s: float) -> bool:
    with _changed:
        return _changed.wait_for(lambda: key not in _at_work, timeout_s)


def _key(query: Query, detector: str, dataset: Dataset) -> Key:
    """Every cause of what is found. A state is one: what could not be used may be there now."""
    made = detectors.get(detector)
    seen = (
        (str(store.root()), hashlib.sha256(query.data or b"").hexdigest())
        if query.item_id is None
        else (dataset.fingerprint(), query.item_id)
    )
    return made.name, store.fingerprint(
        {"detector": made.fingerprint(), "state": made.state().kind, "picture": seen}
    )


def _look(key: Key, query: Query, detector: str, dataset: Dataset) -> None:
    try:
        with cores.turn(_turn):
            subject = located(query, detector, dataset)
    except UserError as error:
        subject = Subject(detector, note=f"{error.plain} {WHOLE}")
    except (
        Exception
    ) as error:  # a bug, or a file of the user's: the page goes on with the whole picture
        log.exception("%s failed", detector)
        subject = Subject(
            detector, note=f"The detector {detector} failed ({type(error).__name__}). {WHOLE}"
        )
    with _changed:
        _at_work.discard(key)
        _found[key] = subject
        while len(_found) > MAX_KEPT:
            _found.popitem(last=False)
        _changed.notify_all()
