"""Colour histograms: the score is a sum over colours that both pictures have."""

import colorsys

import numpy as np
from PIL import Image

from core.explainers.base import Explainer, Explanation, Map, Pair, Swatch, explainers, scaled
from core.images import resize

BINS = (12, 4, 4)
SIDE = 64
MAX_SWATCHES = 12


class Colours(Explainer):
    """The bins that add most to the cosine of square-rooted histograms (the Bhattacharyya
    coefficient), and where their pixels lie."""

    name = "colours"
    title = "Shared colours"
    about = "Which colours both pictures have, how much of each, and where."
    encoders = ("hsv.12x4x4",)

    def explain(self, pair: Pair) -> Explanation:
        left, right = pair.vectors
        added = left * right
        shares = [vector**2 for vector in (left, right)]
        bins = [_bins(image) for image in pair.images]
        maps = [
            Map(scaled(_coarse((added / np.maximum(own, 1e-9))[place])))
            for own, place in zip(shares, bins, strict=True)
        ]
        shown = [one for one in np.argsort(-added)[:MAX_SWATCHES] if added[one] > 5e-4]
        swatches = tuple(
            Swatch(
                _mean_colour(pair, bins, one),
                float(shares[0][one]),
                float(shares[1][one]),
                float(added[one]),
            )
            for one in shown
        )
        shared = np.count_nonzero((left > 0) & (right > 0))
        return Explanation(
            self.name,
            "Bright pixels have a colour of which the other picture has as much or more. Where they"
            " lie makes no difference to the score.",
            maps[0],
            maps[1],
            exact=True,
            facts=(
                (
                    "Colours in both",
                    f"{shared} of {np.count_nonzero(left)} and {np.count_nonzero(right)}",
                ),
                ("Sum over all colours", f"{added.sum():.4f}"),
            ),
            blocks=(swatches,),
        )


def _bins(image: np.ndarray) -> np.ndarray:
    """The bin of each pixel, int64 (SIDE, SIDE), as the encoder counts them."""
    hsv = np.asarray(Image.fromarray(resize(image, SIDE, SIDE)).convert("HSV"), dtype=np.int32)
    return np.ravel_multi_index(
        [hsv[:, :, channel] * count // 256 for channel, count in enumerate(BINS)], BINS
    )


def _coarse(values: np.ndarray) -> np.ndarray:
    """(SIDE, SIDE) -> means of 4 x 4 pixels."""
    return values.reshape(SIDE // 4, 4, SIDE // 4, 4).mean(axis=(1, 3))


def _mean_colour(pair: Pair, bins: list[np.ndarray], which: int) -> tuple[int, int, int]:
    """The mean colour of a bin's pixels in both pictures; the bin's middle where it has none."""
    pixels = [
        resize(image, SIDE, SIDE)[place == which]
        for image, place in zip(pair.images, bins, strict=True)
    ]
    both = np.concatenate(pixels)
    if len(both):
        return _rgb(both.mean(axis=0))
    middle = [
        (index + 0.5) / count
        for index, count in zip(np.unravel_index(which, BINS), BINS, strict=True)
    ]
    return _rgb(255 * np.array(colorsys.hsv_to_rgb(*middle)))


def _rgb(values: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (round(float(value)) for value in values)
    return red, green, blue


explainers.add(Colours.name, Colours)
