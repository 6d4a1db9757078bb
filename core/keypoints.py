"""SIFT key points of a picture, and which of two pictures' points are the same thing seen twice.

The chain is the classic one: key points and descriptors (SIFT; Lowe, IJCV 2004) as RootSIFT
(Arandjelovic and Zisserman, CVPR 2012), the two nearest descriptors by brute force or by FLANN,
Lowe's ratio test, then one homography by MAGSAC++ (Barath et al., CVPR 2020): the matches that
agree with it are its inliers.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from core.device import threads
from core.errors import UserError
from core.images import resize

SIDE = 256
"""Pixels on the long side of the picture in which points are looked for."""
MAX_POINTS = 400
"""Key points of one picture, those of the strongest contrast."""
RATIO = 0.8
"""Lowe's ratio: the nearest descriptor has to be this much nearer than the second nearest."""
REPROJECTION_PIXELS = 3.0
"""How far from where the homography puts it an inlier may lie, in pixels of the small picture."""
MIN_MATCHES = 4
"""Matches that determine a homography."""
MIN_PARALLEL = 16
"""Fewer pairs are matched in less time than threads take to start."""
BRUTE, FLANN = "brute", "flann"
MATCHERS = {BRUTE: "Brute force", FLANN: "FLANN"}
"""Ways to find the nearest descriptors: name -> what it is called."""
TREES, CHECKS = 4, 64
"""Of FLANN: k-d trees, and leaves of them that are looked at for each descriptor."""
CONFIDENCE, ITERATIONS, SEED = 0.999, 2000, 7
VERSION = 1


def causes(how: str = BRUTE) -> dict:
    """Every cause of the number of inliers but the two pictures."""
    looked = {"side": SIDE, "most": MAX_POINTS, "ratio": RATIO, "pixels": REPROJECTION_PIXELS}
    matched = {} if how == BRUTE else {"matcher": how, "trees": TREES, "checks": CHECKS}
    return {**looked, "iterations": ITERATIONS, "version": VERSION, **matched}


@dataclass(frozen=True)
class KeyPoints:
    """Key points of one picture.

    Attributes:
        points: float32 (n, 2), x and y in pixels of the small picture, strongest first.
        descriptors: uint8 (n, 128), SIFT.
        size: width and height of the small picture, whose long side is ``SIDE``.
    """

    points: np.ndarray
    descriptors: np.ndarray
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def places(self) -> np.ndarray:
        """float32 (n, 2): x and y as shares 0..1 of the picture's width and height."""
        return (self.points + 0.5) / np.asarray(self.size, np.float32)


@dataclass(frozen=True)
class Matches:
    """Which key point of a query is which of a hit.

    Attributes:
        query, hit: int64 (m), numbers of key points, nearest pair first.
        distances: float32 (m), between the RootSIFT descriptors, 0..sqrt(2).
        inliers: bool (m), the matches that agree with ``homography``.
        homography: float64 (3, 3), from the query's small picture to the hit's; None where no
            plausible one was found.
        reason: why there are no inliers, as a sentence; empty where there are.
    """

    query: np.ndarray
    hit: np.ndarray
    distances: np.ndarray
    inliers: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    homography: np.ndarray | None = None
    reason: str = ""

    @property
    def score(self) -> int:
        """The number of inliers."""
        return int(np.count_nonzero(self.inliers))


def detect(image: np.ndarray, side: int = SIDE, most: int = MAX_POINTS) -> KeyPoints:
    """RGB uint8 (h, w, 3) -> at most ``most`` key points of it at ``side`` pixels on the long side;
    none in a picture without corners."""
    import cv2

    scale = side / max(image.shape[:2])
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    grey = np.asarray(Image.fromarray(resize(image, width, height)).convert("L"))
    found, descriptors = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=most
    ).detectAndCompute(grey, None)
    if descriptors is None:
        return KeyPoints(
            np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), (width, height)
        )
    points = np.array([point.pt for point in found[:most]], np.float32).reshape(-1, 2)
    values = np.rint(descriptors[:most]).clip(0, 255).astype(np.uint8)
    return KeyPoints(points, values, (width, height))


def root(descriptors: np.ndarray) -> np.ndarray:
    """SIFT (n, 128) -> RootSIFT float32 (n, 128): L1-normalised, then square-rooted, so that
    Euclidean distance is Hellinger's."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1e-9))


def match(query: KeyPoints, hit: KeyPoints, how: str = BRUTE, ratio: float = RATIO) -> Matches:
    """The matches of two pictures that pass the ratio test, each point of the hit used once, and
    which of them one homography explains.

    Args:
        how: ``brute`` compares all descriptors, ``flann`` asks a forest of k-d trees.

    Returns:
        Without inliers, and with the reason, where a picture has fewer than two key points, fewer
        than four matches remain, or no homography that a camera could have made explains four.

    Raises:
        UserError: an unknown ``how``, or a ratio outside 0..1.
    """
    if how not in MATCHERS:
        raise UserError(f"There is no matcher {how!r}.", f"Allowed: {', '.join(MATCHERS)}.")
    if not 0 < ratio <= 1:
        raise UserError(f"The ratio is {ratio:g}.", "Allowed: above 0, at most 1.")
    for points, whose in ((query, "The query"), (hit, "The hit")):
        if len(points) < 2:
            few = "one key point" if len(points) else "no key points"
            return _none(f"{whose} has {few}: too smooth for SIFT.")
    found = _passing(root(query.descriptors), root(hit.descriptors), how, ratio)
    return verify(query, hit, *found)


def match_all(query: KeyPoints, hits: Sequence[KeyPoints], how: str = BRUTE) -> list[Matches]:
    """:func:`match` of the query with each of these, on every core."""
    if len(hits) < MIN_PARALLEL:
        return [match(query, hit, how) for hit in hits]
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(lambda hit: match(query, hit, how), hits))


def verify(
    query: KeyPoints, hit: KeyPoints, left: np.ndarray, right: np.ndarray, distances: np.ndarray
) -> Matches:
    """The matches (``left[i]`` of the query, ``right[i]`` of the hit) with the inliers of one
    homography; arguments as the attributes of :class:`Matches`."""
    import cv2

    nobody = np.zeros(len(left), bool)
    if len(left) < MIN_MATCHES:
        said = f"{len(left)} match{'' if len(left) == 1 else 'es'} passed the ratio test"
        return Matches(
            left, right, distances, nobody, None, f"{said}; a homography needs {MIN_MATCHES}."
        )
    found, inside = cv2.findHomography(
        query.points[left],
        hit.points[right],
        cv2.USAC_MAGSAC,
        REPROJECTION_PIXELS,
        maxIters=ITERATIONS,
        confidence=CONFIDENCE,
    )
    inliers = nobody if inside is None else inside.ravel().astype(bool)
    if found is None or inliers.sum() < MIN_MATCHES or not _plausible(found, query.size):
        reason = f"No single view explains {MIN_MATCHES} of the {len(left)} matches."
        return Matches(left, right, distances, nobody, None, reason)
    return Matches(left, right, distances, inliers, found)


def _none(reason: str) -> Matches:
    empty = np.zeros(0, np.int64)
    return Matches(empty, empty, np.zeros(0, np.float32), reason=reason)


def _passing(
    left: np.ndarray, right: np.ndarray, how: str, ratio: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers on the left, numbers on the right, distances: what passes Lowe's ratio test, nearest
    first. Of several points that claim the same one of the hit only the nearest keeps it: many to
    one would make a homography that shrinks the query to a dot."""
    nearest, distances = _two_nearest(left, right, how)
    passed = np.flatnonzero(distances[:, 0] < ratio * distances[:, 1])
    passed = passed[np.argsort(distances[passed, 0], kind="stable")]
    _, first = np.unique(nearest[passed, 0], return_index=True)
    passed = passed[np.sort(first)]
    return passed, nearest[passed, 0].astype(np.int64), distances[passed, 0]


def _two_nearest(left: np.ndarray, right: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """For each left: numbers int (n, 2) and distances float32 (n, 2) of the two nearest right."""
    import cv2

    if how == FLANN:
        cv2.setRNGSeed(SEED)  # its trees are random
        index = cv2.flann_Index(right, {"algorithm": 1, "trees": TREES})  # type: ignore[attr-defined]
        nearest, squared = index.knnSearch(left, 2, params={"checks": CHECKS})
        return nearest, np.sqrt(squared)
    distances, nearest = cv2.batchDistance(left, right, cv2.CV_32F, normType=cv2.NORM_L2, K=2)
    return nearest, distances


def _plausible(homography: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a camera that moved could have made it: the query's frame stays convex, is not
    mirrored (SIFT is blind to mirror images), and is neither blown up nor shrunk to a dot."""
    width, height = size
    frame = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
    seen = frame @ homography.T
    if not np.isfinite(seen).all() or (np.sign(seen[:, 2]) != np.sign(seen[0, 2])).any():
        return False
    corners = seen[:, :2] / seen[:, 2:]
    sides = np.roll(corners, -1, axis=0) - corners
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    if not np.isfinite(turns).all() or (turns <= 0).any():
        return False
    area = (turns[0] + turns[2]) / 2
    return 0.01 < area / (width * height) < 100
