"""Fetching what is public and not here yet: datasets, and weights of encoders, of their text towers
and of detectors."""

from core.datasets.base import datasets
from core.detectors.base import detectors
from core.encoders.base import encoders
from core.services.embedding import detecting
from core.services.library import library
from core.services.search.mixing import reads_none
from core.types import Progress


def fetch_dataset(name: str, progress: Progress | None = None) -> dict:
    """Download a named public dataset; returns its row.

    Raises:
        UserError: unknown name, no network, or a set that has to be placed by hand (the message
            says where).
    """
    dataset = datasets.get(name)
    if dataset.state().kind != "ready":
        dataset.download(progress)
    return library.dataset_row(name)


def fetch_encoder(name: str, progress: Progress | None = None) -> dict:
    """Download the weights of an encoder; returns its row.

    Raises:
        UserError: unknown name, no network (the message says which file to put where), or damaged
            weights.
    """
    encoder = encoders.get(name)
    if encoder.state().kind != "ready":
        encoder.load(progress)
    return library.encoder_row(encoder)


def fetch_text(name: str, progress: Progress | None = None) -> dict:
    """Download the text tower of an encoder; returns the encoder's row.

    Raises:
        UserError: unknown name, an encoder that reads no text, no network, or damaged files.
    """
    encoder = encoders.get(name)
    if encoder.words is None:
        raise reads_none(encoder)
    if encoder.words.state().kind != "ready":
        encoder.words.load(progress)
    return library.encoder_row(encoder)


def fetch_detector(name: str, progress: Progress | None = None) -> dict:
    """Download the weights of a detector; returns its row.

    Raises:
        UserError: unknown name, no network (the message says which file to put where), or damaged
            weights.
    """
    detector = detectors.get(name)
    if detector.state().kind == "download":
        detector.load(progress)
    return detecting.detector_row(detector)
