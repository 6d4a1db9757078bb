"""Fetching what is public and not here yet: datasets, and weights of encoders, of their text towers
and of detectors; and networks compiled for this processor beforehand, when the product is set up or
by command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from core.datasets.base import datasets
from core.detectors.base import detectors
from core.detectors.objects import Objects
from core.encoders.base import encoders
from core.encoders.compilable import Compilable
from core.errors import UserError
from core.services.embedding import detecting
from core.services.embedding.passes import FETCH_BYTES_S
from core.services.library import library
from core.services.search.mixing import reads_none
from core.services.steps import Named, Steps
from core.types import Progress, Step, doing, report, saying
from core.weights import compiled

UNPACK_BYTES_S = 4e7
"""Bytes a second of an archive that is unpacked."""
IMPORT_S, LOAD_S = 2.0, 2.0
"""Libraries are imported before the first byte; weights that came are checked and read."""


def fetch_dataset(name: str, progress: Progress | None = None) -> dict:
    """Download a named public dataset; returns its row.

    Raises:
        UserError: unknown name, no network, or a set that has to be placed by hand (the message
            says where).
    """
    dataset = datasets.get(name)
    if (state := dataset.state()).kind != "ready":
        with _watched(progress, dataset.title, state.bytes, unpacks=True) as watched:
            dataset.download(watched)
    return library.dataset_row(name)


def fetch_encoder(name: str, progress: Progress | None = None) -> dict:
    """Download the weights of an encoder; returns its row.

    Raises:
        UserError: unknown name, no network (the message says which file to put where), or damaged
            weights.
    """
    encoder = encoders.get(name)
    if (state := encoder.state()).kind != "ready":
        with _watched(progress, encoder.title, state.bytes) as watched:
            encoder.load(watched)
    return library.encoder_row(encoder)


def fetch_text(name: str, progress: Progress | None = None) -> dict:
    """Download the text tower of an encoder; returns the encoder's row.

    Raises:
        UserError: unknown name, an encoder that reads no text, no network, or damaged files.
    """
    encoder = encoders.get(name)
    if encoder.words is None:
        raise reads_none(encoder)
    if (state := encoder.words.state()).kind != "ready":
        with _watched(progress, encoder.title, state.bytes) as watched:
            encoder.words.load(watched)
    return library.encoder_row(encoder)


def fetch_detector(name: str, progress: Progress | None = None) -> dict:
    """Download the weights of a detector; returns its row.

    Raises:
        UserError: unknown name, no network (the message says which file to put where), or damaged
            weights.
    """
    detector = detectors.get(name)
    if (state := detector.state()).kind == "download":
        with _watched(progress, detector.title, state.bytes) as watched:
            detector.load(watched)
    return detecting.detector_row(detector)


@contextmanager
def _watched(
    progress: Progress | None, title: str, size: int, unpacks: bool = False
) -> Iterator[Named]:
    """The progress of a download of about ``size`` bytes, 0 where that is not known, and of what
    follows it."""
    steps = Steps(progress)
    steps.add((Step.FETCH, title), Step.FETCH, size / FETCH_BYTES_S, IMPORT_S, size)
    then, seconds = (Step.UNPACK, size / UNPACK_BYTES_S) if unpacks else (Step.LOAD, LOAD_S)
    steps.add((then, title), then, seconds)
    watched = Named(steps, title)
    with saying(doing(watched, Step.FETCH), f"Loading {title}"):
        yield watched
    steps.close()


@dataclass(frozen=True, slots=True)
class Row:
    """What compiling one network came to. ``gain``: processor time of torch over that of the graph,
    as measured when it was made."""

    network: str
    compiled: bool
    gain: float | None
    reason: str


def at_hand() -> list[str]:
    """Encoders, and then detectors, whose networks are on this machine and can be compiled: those
    that came with the code or in a package, and those that were trained here."""
    kinds = ("bundled", "packaged", "trained")
    every = chain(map(encoders.get, encoders.names()), map(detectors.get, detectors.names()))
    return [
        one.name
        for one in every
        if isinstance(one, Compilable | Objects)
        and one.tier in kinds
        and one.state().kind == "ready"
    ]


def compile_networks(names: Sequence[str], progress: Progress | None = None) -> list[Row]:
    """Compile some networks, each once a machine, some seconds each.

    Raises:
        UserError: an unknown name, an encoder without a network, weights that are not here.
    """
    found = [_checked(name) for name in names]
    rows = []
    for at, one in enumerate(found):
        report(progress, at, len(found))
        one.compile(progress)
        rows.append(_row(one))
    report(progress, len(found), len(found))
    return rows


def _checked(name: str) -> Compilable | Objects:
    one: Any = (detectors if name in detectors.names() else encoders).get(name)
    if not isinstance(one, Compilable | Objects):
        raise UserError(
            f"{name} is no network that can be compiled.", f"Networks here: {', '.join(at_hand())}."
        )
    if one.state().kind != "ready":
        raise UserError(f"The weights of {name} are not here.", fix="Download it first.")
    return one


def _row(one: Compilable | Objects) -> Row:
    gain, reason = compiled.measured(one)
    return Row(one.name, one.graph is not None, gain, reason)


def told(rows: Sequence[Row]) -> list[dict]:
    """The rows as JSON takes them."""
    return [asdict(row) for row in rows]
