"""Where the graphs of compiled networks lie (:mod:`core.weights.compiled` makes them)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from core import store

KIND, FILE = "compiled", "graph.xml"
PACKAGE = "openvino"
ENV = "LOOKALIKE_COMPILED"
"""``0`` in the environment: torch computes everything."""


def on() -> bool:
    """Whether graphs are used in this process, if there are any."""
    return os.environ.get(ENV) != "0" and find_spec(PACKAGE) is not None


@contextmanager
def switched(*, on: bool) -> Iterator[None]:
    """Whether graphs are used inside the block, whatever the environment says."""
    before = os.environ.get(ENV)
    os.environ[ENV] = "1" if on else "0"
    try:
        yield
    finally:
        os.environ.pop(ENV) if before is None else os.environ.update({ENV: before})


def kept() -> bool:
    """Whether networks of this machine have been compiled, so that answers may need no torch."""
    homes = dict.fromkeys((*store.layers(), store.shipped()))
    return on() and any(
        (folder / FILE).is_file()
        for home in homes
        for folder in store.listed(home / "cache" / KIND)
    )
