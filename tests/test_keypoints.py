"""Key points and their matches, on views whose homography is planted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.errors import UserError
from core.keypoints import (
    MATCHERS,
    MAX_POINTS,
    SIDE,
    KeyPoints,
    causes,
    detect,
    match,
    root,
    verify,
)
from tests.encoders.conftest import smooth

PLANTED = {
    "turned and shrunk": [[0.7, -0.4, 110.0], [0.4, 0.7, -20.0], [0, 0, 1]],
    "seen from the side": [[0.9, 0.1, 5.0], [0.05, 0.8, 12.0], [0.0009, 0.0002, 1]],
}


def view(picture: np.ndarray, homography: np.ndarray) -> np.ndarray:
    size = picture.shape[1], picture.shape[0]
    return cv2.warpPerspective(picture, homography, size, borderValue=(128, 128, 128))


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return smooth(SIDE, 192, 3)


@pytest.mark.parametrize("how", MATCHERS)
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_homography_is_found_and_its_matches_are_the_inliers(scene, planted, how):
    truth = np.array(PLANTED[planted])
    query, hit = detect(scene), detect(view(scene, truth))
    found = match(query, hit, how)
    assert found.score >= 30
    assert found.reason == ""
    frame = np.array([[[60, 40]], [[200, 40]], [[200, 150]], [[60, 150]]], np.float64)
    there = cv2.perspectiveTransform(frame, truth)
    np.testing.assert_allclose(cv2.perspectiveTransform(frame, found.homography), there, atol=1.5)
    moved = cv2.perspectiveTransform(query.points[found.query][:, None].astype(float), truth)
    off = np.linalg.norm(moved[:, 0] - hit.points[found.hit], axis=1)
    assert (off[found.inliers] < 4.5).all()
    assert (off[~found.inliers] > 1.5).all()


def test_each_point_is_matched_once_nearest_first_and_within_the_ratio(scene):
    query, hit = detect(scene), detect(view(scene, np.array(PLANTED["turned and shrunk"])))
    found = match(query, hit, ratio=0.7)
    assert len(set(found.hit)) == len(found.hit)
    assert (np.diff(found.distances) >= 0).all()
    every = np.linalg.norm(root(query.descriptors)[:, None] - root(hit.descriptors)[None], axis=2)
    two = np.sort(every, axis=1)[found.query, :2]
    np.testing.assert_allclose(found.distances, two[:, 0], atol=1e-4)
    assert (two[:, 0] < 0.7 * two[:, 1] + 1e-4).all()
    np.testing.assert_array_equal(found.hit, every.argmin(axis=1)[found.query])
    assert len(match(query, hit, ratio=0.9).query) > len(found.query)


def test_strangers_have_next_to_no_inliers_and_the_answer_is_the_same_every_time(scene):
    query = detect(scene)
    for seed in (50, 51, 52):
        other = detect(smooth(SIDE, 192, seed))
        for how in MATCHERS:
            first, second = match(query, other, how), match(query, other, how)
            assert first.score < 8
            np.testing.assert_array_equal(first.query, second.query)
            np.testing.assert_array_equal(first.inliers, second.inliers)


def test_places_are_shares_of_the_picture_whatever_its_size(scene):
    small, large = detect(scene), detect(cv2.resize(scene, None, fx=2, fy=2))
    assert small.size == large.size == (256, 192)
    assert 0 < len(small) <= MAX_POINTS
    assert ((small.places > 0) & (small.places < 1)).all()
    assert small.descriptors.shape == (len(small), 128)


def test_a_picture_without_corners_matches_nothing_and_says_why(scene):
    plain, query = detect(np.full((40, 60, 3), 9, np.uint8)), detect(scene)
    assert len(plain) == 0
    assert "The hit has no key points" in match(query, plain).reason
    assert "The query has no key points" in match(plain, query).reason
    one = KeyPoints(query.points[:1], query.descriptors[:1], query.size)
    assert "The hit has one key point" in match(query, one).reason
    for found in (match(query, plain), match(one, query)):
        assert found.score == 0
        assert len(found.query) == len(found.inliers) == 0
    assert detect(np.zeros((1, 900, 3), np.uint8)).size == (256, 1)


def test_fewer_than_four_matches_are_kept_but_explain_nothing(scene):
    query = detect(scene)
    for count, said in ((1, "1 match passed"), (3, "3 matches passed")):
        same = np.arange(count)
        found = verify(query, query, same, same, np.zeros(count, np.float32))
        assert found.score == 0
        assert len(found.inliers) == len(found.query) == count
        assert said in found.reason


def test_mirrored_and_collapsed_views_are_not_plausible(scene):
    query = detect(scene)
    same = np.arange(len(query))
    mirrored = KeyPoints(query.points * [-1, 1] + [query.size[0], 0], query.descriptors, query.size)
    dot = KeyPoints(query.points * 0.01, query.descriptors, query.size)
    for hit in (mirrored, dot):
        hit = KeyPoints(hit.points.astype(np.float32), hit.descriptors, hit.size)
        found = verify(query, hit, same, same, np.zeros(len(same), np.float32))
        assert found.score == 0
        assert "No single view" in found.reason


def test_unknown_matchers_and_ratios_are_refused(scene):
    query = detect(scene)
    with pytest.raises(UserError, match="brute, flann"):
        match(query, query, "guess")
    with pytest.raises(UserError, match="above 0"):
        match(query, query, ratio=0)


def test_flann_finds_nearly_all_inliers_of_brute_force(scene):
    """95 of 100 at least, over several views: its trees may miss a nearest descriptor."""
    query, both, brute = detect(scene), 0, 0
    for truth in PLANTED.values():
        hit = detect(view(scene, np.array(truth)))
        kept = [
            {*zip(found.query[found.inliers], found.hit[found.inliers], strict=True)}
            for found in (match(query, hit, how) for how in MATCHERS)
        ]
        brute, both = brute + len(kept[0]), both + len(kept[0] & kept[1])
    assert brute > 100
    assert both >= 0.95 * brute


def test_the_way_to_match_is_a_cause_of_the_score_and_brute_force_adds_none():
    assert causes("flann") == causes() | {"matcher": "flann", "trees": 4, "checks": 64}
