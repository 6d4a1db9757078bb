"""Several pictures and words as one vector to search with: their weighted mean."""

from collections.abc import Callable, Sequence

import numpy as np

from core.encoders.base import Encoder
from core.errors import UserError
from core.services.search.request import Mix, Query

CANCELLED = 1e-3
"""A mean shorter than this, for weights that sum to one, is what rounding leaves of nothing."""


def mixed(
    mix: Mix, own: np.ndarray | None, see: Callable[[Query], np.ndarray], encoder: Encoder
) -> np.ndarray:
    """What is searched with, float32 (1, dim), unit length.

    Args:
        own: the vector of the query, float32 (1, dim), where there is one.
        see: makes one of every other picture.

    Raises:
        UserError: nothing is asked with, everything cancels, a picture can't be read, or a text is
            asked of an encoder that reads none.
    """
    weights = mix.weights
    parts = [] if own is None else [(weights.query, own)]
    for pictures, weight in ((mix.plus, weights.plus), (mix.minus, -weights.minus)):
        parts += [(weight / len(pictures), see(picture)) for picture in pictures]
    if mix.text is not None:
        parts.append((weights.text, read(mix.text, encoder)))
    if not parts:
        raise UserError(
            "Nothing is asked with.", fix="Give a picture, or words for an encoder that reads text."
        )
    return combined([weight for weight, _ in parts], np.concatenate([one for _, one in parts]))


def combined(weights: Sequence[float], vectors: np.ndarray) -> np.ndarray:
    """The weighted sum of float32 (n, dim) unit rows, scaled to unit length: float32 (1, dim).

    Raises:
        UserError: the sum is zero, so that it has no direction.
    """
    total = np.asarray(weights, np.float64) @ vectors.astype(np.float64)
    length = np.linalg.norm(total)
    if not length > CANCELLED * np.abs(weights).sum():
        raise UserError(
            "What is asked with cancels out: the weights sum to zero.",
            fix="Take a picture away that has both a plus and a minus, or change the weights.",
        )
    return (total / length).astype(np.float32)[None]


def reads_none(encoder: Encoder) -> UserError:
    """The error for words that are asked of an encoder without any."""
    return UserError(
        f"{encoder.title or encoder.name} reads no text.",
        "Networks that were trained with captions do: CLIP and SigLIP.",
        "Choose one of them, or take the words away.",
    )


def read(text: str, encoder: Encoder) -> np.ndarray:
    """A text as the encoder reads it, float32 (1, dim), unit length.

    Raises:
        UserError: the encoder reads no text, or its text tower is not here.
    """
    if encoder.words is None:
        raise reads_none(encoder)
    if (state := encoder.words.state()).kind != "ready":
        size = f" ({state.bytes / 1e6:.0f} MB)" if state.bytes else ""
        raise UserError(
            f"The text tower of {encoder.title or encoder.name} is not here yet{size}.",
            fix=state.detail if state.kind == "unavailable" else "Download it first.",
        )
    return encoder.words.encode(text)
