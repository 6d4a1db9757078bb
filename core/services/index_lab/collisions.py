"""How probable it is that two vectors collide in a bucket.

Random planes (Charikar, 2002; Goemans and Williamson, 1995): a bit of two vectors at an angle
agrees with p = 1 - angle / pi. MinHash (Broder, 1997): a minimum of two sets agrees with p = their
Jaccard similarity. r of these in a band all agree with p^r, and one of b bands does so with 1 - (1
- p^r)^b (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, ch. 3).
"""

import numpy as np

FORMULA = {
    "lsh": "1 - (1 - p^r)^b with p = 1 - arccos(cosine) / pi, r bits in a band and b bands",
    "minhash": (
        "1 - (1 - s^r)^b with s = Jaccard similarity of the sets, r minima in a band and b bands"
    ),
}
SOURCE = {
    "lsh": "Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002",
    "minhash": (
        "Broder, On the resemblance and containment of documents, 1997; bands: Mining of Massive"
        " Datasets, ch. 3"
    ),
}
ABOUT = {
    "lsh": (
        "The curve is the mean over all random planes. The measured points (diamonds) are real"
        " pairs under the one draw that is shown, that of the index hamming without learning. All"
        " pairs share this draw, so where they leave the curve they leave it together."
    ),
    "minhash": (
        "The curve is the mean over all permutations. The measured points (diamonds) are real pairs"
        " under the one draw of the index minhash. All pairs share this draw, so where they leave"
        " the curve they leave it together."
    ),
}
SEARCH = {
    "lsh": (
        "Bands are the textbook scheme (Indyk and Motwani, Approximate nearest neighbors, STOC"
        " 1998): a search by them compares only the pictures that collide with the query. The"
        " indexes lsh and hamming here have no bands: they compare the code of every picture, so no"
        " neighbour is missed for an empty bucket."
    ),
    "minhash": (
        "The index minhash compares only the pictures that collide with the query, and never looks"
        " at the others."
    ),
}
"""What a search makes of those that collide."""
POINTS = 201


def agree(method: str, similarity: np.ndarray) -> np.ndarray:
    """Probability that one bit (lsh, by cosine) or one minimum (minhash, by Jaccard) is the
    same."""
    if method == "minhash":
        return np.clip(similarity, 0.0, 1.0)
    return 1.0 - np.arccos(np.clip(similarity, -1.0, 1.0)) / np.pi


def meet(method: str, similarity: np.ndarray, rows: int, bands: int) -> np.ndarray:
    """Probability that some band agrees as a whole."""
    return 1.0 - (1.0 - agree(method, np.asarray(similarity, float)) ** rows) ** bands


def curve(method: str, rows: int, bands: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Similarities, probabilities, and the similarity where these rise most."""
    similarity = np.linspace(0.0, 1.0, POINTS)
    probability = meet(method, similarity, rows, bands)
    rise = np.diff(probability)
    return similarity, probability, float((similarity[:-1] + similarity[1:])[rise.argmax()] / 2)


def in_bands(codes: np.ndarray, other: np.ndarray, rows: int, bands: int) -> np.ndarray:
    """bool (..., bands): which bands of two signatures (..., bits) are equal as a whole; what fills
    no band counts nowhere."""
    same = (codes == other)[..., : rows * bands]
    return same.reshape(*same.shape[:-1], bands, rows).all(axis=-1)


def jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of the sets of (place, bit) pairs of bool (..., hash_dim): equal places / (2 * places - equal
    places)."""
    equal = (one == other).sum(axis=-1)
    return equal / (2 * one.shape[-1] - equal)
