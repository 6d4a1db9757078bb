"""Perceptual and difference hash: which of the 256 bits agree, and where on the picture."""

import numpy as np

from core.explainers.base import Drawings, Explainer, Explanation, Map, Pair, explainers, scaled

SIDE = 16
SKETCH = 64
"""Pixels on a side of the picture whose lowest frequencies a perceptual hash is made of."""


class HashBits(Explainer):
    """The bits of both pictures on a grid, those that agree, and what they say of places."""

    name = "bits"
    title = "Bits"
    about = "Which bits of the two hashes agree, and where they lie on the pictures."
    encoders = ("dhash.16x16", "phash.16x16")

    def explain(self, pair: Pair) -> Explanation:
        signs = np.where(pair.vectors > 0, 1.0, -1.0).reshape(2, SIDE, SIDE)
        spatial = pair.encoder.name.startswith("dhash")
        maps = _lighter(signs) if spatial else [_placed(signs)] * 2
        equal = (signs[0] == signs[1]).ravel()
        drawings = _drawings(signs) if spatial else _sketches(signs)
        return Explanation(
            self.name,
            _SAID[spatial],
            Map(scaled(maps[0])),
            Map(scaled(maps[1])),
            exact=not spatial,
            facts=(
                ("Bits that agree", f"{equal.sum()} of {equal.size}"),
                (
                    "As a cosine",
                    f"2 x {equal.sum()} / {equal.size} - 1 = {2 * equal.mean() - 1:.4f}",
                ),
            ),
            blocks=(drawings,),
        )


_SAID = {
    True: "Each bit says whether it gets lighter to the right. Bright is where it does in both"
    " pictures; where it does in neither, a plain ground would agree as well.",
    False: "Each bit says whether one of the 16 x 16 lowest frequencies is strong. Drawn from the"
    " bits alone, the pictures agree where it is bright; that product sums to the score.",
}


def _lighter(signs: np.ndarray) -> list[np.ndarray]:
    """Where both get lighter, against where only the one picture does: what a plain ground in its
    place would lose. (SIDE, SIDE) for each picture."""
    agree = signs[0] * signs[1]
    return [smoothed(np.where(own > 0, agree, 0.0)) for own in signs]


def smoothed(values: np.ndarray) -> np.ndarray:
    """Means of 3 x 3 neighbours: a single bit agrees by chance in one of two cases."""
    padded = np.pad(values, 1, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))


def sketch(signs: np.ndarray) -> np.ndarray:
    """The picture (SKETCH, SKETCH) with these signs (SIDE, SIDE) as its lowest frequencies and no
    others. The cosine transform is orthonormal: inner products of signs are those of pictures."""
    from scipy.fft import idctn

    whole = np.zeros((SKETCH, SKETCH))
    whole[:SIDE, :SIDE] = signs
    return idctn(whole, norm="ortho")


def _placed(signs: np.ndarray) -> np.ndarray:
    """(SIDE, SIDE): what each place adds to the inner product of the two sketches."""
    product = sketch(signs[0]) * sketch(signs[1])
    step = SKETCH // SIDE
    return product.reshape(SIDE, step, SIDE, step).sum(axis=(1, 3))


def _drawings(signs: np.ndarray) -> Drawings:
    names = ("Query", "Hit", "Bits that agree")
    values = (signs[0], signs[1], signs[0] * signs[1])
    pictures = [np.where(one > 0, 40, 225).astype(np.uint8) for one in values]
    return Drawings(
        "Dark where it gets lighter to the right; at the right, dark where bits agree",
        _rgb(names, pictures),
    )


def _sketches(signs: np.ndarray) -> Drawings:
    agreed = np.where(signs[0] == signs[1], signs[0], 0.0)
    pictures = []
    for one in (signs[0], signs[1], agreed):
        drawn = one.copy()
        drawn[0, 0] = 0.0  # the mean brightness would outshine the rest
        values = sketch(drawn)
        pictures.append(
            np.clip(128 + 127 * values / max(np.abs(values).max(), 1e-9), 0, 255).astype(np.uint8)
        )
    pictures.append(np.where(agreed != 0, 40, 225).astype(np.uint8))
    names = ("Query", "Hit", "Bits that agree", "The same as bits, low frequencies first")
    return Drawings("Drawn from the bits alone", _rgb(names, pictures))


def _rgb(names, pictures) -> tuple[tuple[str, np.ndarray], ...]:
    made = (np.repeat(one[:, :, None], 3, axis=2) for one in pictures)
    return tuple(zip(names, made, strict=True))


explainers.add(HashBits.name, HashBits)
