"""Explanations of pairs whose answer is known: planted squares, equal colours, one thing twice."""

from __future__ import annotations

import numpy as np
import pytest

from core.encoders.base import encoders
from core.explainers.base import WHOLE, Bits, Codes, Lines, Map, Pair, Pairs, explainers
from core.explainers.bits import sketch
from core.explainers.covering import FINE, RANDOM, Deletion, covered, deletion, fifth
from core.explainers.distance import chance_same
from core.explainers.pixels import falls
from tests.copied import examples
from tests.encoders.conftest import smooth

PLACE = (5, 4)
"""Row and column, of 8 x 8 cells, at which a square is planted."""


def planted(place=PLACE, colour=(200, 30, 30), side: int = 160) -> np.ndarray:
    """A grey picture with a patterned square in one cell of 8 x 8, and a little beyond."""
    image = np.full((side, side, 3), 170, np.uint8)
    cell = side // 8
    top, left = place[0] * cell - cell // 4, place[1] * cell - cell // 4
    square = np.zeros((cell * 3 // 2, cell * 3 // 2, 3), np.uint8) + np.array(colour, np.uint8)
    square[::6] = 20
    square[:, ::10] = 240
    image[top : top + len(square), left : left + len(square)] = square
    return image


def pair_of(name: str, query: np.ndarray, hit: np.ndarray, **more) -> Pair:
    encoder = encoders.get(name)
    encoder.load()
    made = Pair(query, hit, encoder, 0.0, **more)
    made.score = float(made.vectors[0] @ made.vectors[1])
    return made


def peak(found: Map) -> tuple[float, float]:
    """Row and column of the largest value, as shares of the picture."""
    at = np.unravel_index(found.values.argmax(), found.values.shape)
    x0, y0, x1, y1 = found.box
    row, column = ((one + 0.5) / count for one, count in zip(at, found.values.shape, strict=True))
    return y0 + row * (y1 - y0), x0 + column * (x1 - x0)


def near(found: Map, place=PLACE) -> bool:
    row, column = peak(found)
    wanted = (place[0] + 0.5) / 8, (place[1] + 0.5) / 8
    return abs(row - wanted[0]) < 0.17 and abs(column - wanted[1]) < 0.17


CELLS = [
    ("hog.8x8", "occlusion"),
    ("hog.8x8", "gradients"),
    ("tiny.16x16", "occlusion"),
    ("tiny.16x16", "pixels"),
    ("dhash.16x16", "bits"),
    ("vgg.lookalike", "occlusion"),
    ("vgg.lookalike", "regions"),
    ("vit.lookalike", "regions"),
    ("autoencoder.lookalike", "reconstruction"),
]


@pytest.mark.parametrize(("encoder", "method"), CELLS)
def test_a_planted_square_is_found_on_both_pictures(encoder, method):
    other = (2, 2)
    hit_place = other if encoder in ("vgg.lookalike", "vit.lookalike") else PLACE
    pair = pair_of(encoder, planted(), planted(hit_place))
    made = explainers.get(method).explain(pair)
    assert near(made.query), peak(made.query)
    assert near(made.hit, hit_place), peak(made.hit)
    assert made.method == method


def test_regions_are_pairs_that_sum_to_the_score_and_lead_to_the_counterpart():
    pair = pair_of("vgg.lookalike", planted((5, 4)), planted((1, 2)))
    made = explainers.get("regions").explain(pair)
    assert made.exact
    assert made.links.values.sum() == pytest.approx(pair.score, abs=1e-4)
    rows, columns = made.links.query
    square = int(5.5 / 8 * rows) * columns + int(4.5 / 8 * columns)
    best = int(made.links.values[square].argmax())
    there = (best // made.links.hit[1] + 0.5) / made.links.hit[0]
    assert abs(there - 1.5 / 8) < 0.2, "the counterpart of the square is the square"


def test_occlusion_says_where_no_cover_counts():
    ground = np.full((80, 80, 3), 170, np.uint8)
    made = explainers.get("occlusion").explain(pair_of("tiny.16x16", planted(), ground))
    assert [one.split(" lowers")[0] for one in made.notes] == [
        f"No cover of the {name}" for name in ("query", "hit")
    ]
    assert not explainers.get("occlusion").explain(pair_of("hog.8x8", planted(), planted())).notes


def test_the_deletion_test_tells_a_right_map_from_a_wrong_one():
    pair = pair_of("hog.8x8", planted(), planted())
    right, wrong = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    right[PLACE], wrong[0, 0] = 1.0, 1.0
    good, bad = deletion(pair, Map(right)), deletion(pair, Map(wrong))
    assert good.marked > 0.3 > bad.marked
    assert good.better
    assert "chance" not in good.words
    assert not bad.better
    assert "no better than chance" in bad.words
    assert deletion(pair, Map(right)) == good, "the random covers are seeded"
    assert deletion(pair, Map(np.zeros((8, 8), np.float32))) is None


def test_a_fifth_is_a_fifth_whatever_the_map():
    draw = np.random.default_rng(0)
    for values in (draw.random((7, 7)), np.eye(4), np.ones((3, 3)), draw.random((1, 1))):
        assert fifth(values).sum() == round(0.2 * FINE * FINE)
    spot = np.zeros((8, 8))
    spot[2, 6] = 1
    rows, columns = np.nonzero(fifth(spot))
    assert rows.mean() < FINE / 2 < columns.mean()
    assert RANDOM >= 5


def test_a_cover_stays_inside_its_box_and_has_the_colour_of_the_edge():
    image = planted(side=100)
    made = covered(image, np.ones((4, 4), bool), (0.5, 0.0, 1.0, 0.5))
    assert (made[:50, 50:] == 170).all()
    np.testing.assert_array_equal(made[50:], image[50:])
    np.testing.assert_array_equal(made[:, :50], image[:, :50])
    beyond = covered(image, np.ones((4, 4), bool), (-0.5, 0.5, 1.5, 1.0))
    assert (beyond[50:] == 170).all()


def test_colours_are_the_ones_that_both_have():
    query, hit = planted(colour=(200, 30, 30)), planted((1, 1), colour=(30, 30, 200))
    made = explainers.get("colours").explain(pair_of("hsv.12x4x4", query, hit))
    (swatches,) = made.blocks
    assert swatches[0].colour == (170, 170, 170)
    scores = [one.score for one in swatches]
    assert scores == sorted(scores, reverse=True)
    total = pair_of("hsv.12x4x4", query, hit).score
    assert sum(scores) == pytest.approx(total, abs=0.01)
    reds = [one for one in swatches if one.colour[0] > 150 and one.colour[2] < 90]
    assert not reds, "the hit has no red"


def test_a_perceptual_hash_is_a_sum_over_places():
    signs = np.where(np.random.default_rng(0).random((2, 16, 16)) > 0.5, 1.0, -1.0)
    product = (sketch(signs[0]) * sketch(signs[1])).sum() / 256
    assert product == pytest.approx((signs[0] * signs[1]).mean())
    same = explainers.get("bits").explain(
        pair_of("phash.16x16", smooth(90, 90, 1), smooth(90, 90, 1))
    )
    assert dict(same.facts)["Bits that agree"] == "256 of 256"


def test_a_pixel_counts_as_far_as_the_score_falls_without_it():
    draw = np.random.default_rng(0)
    query, hit = draw.normal(size=(2, 16, 16, 3))
    plain = np.array([0.3, -0.2, 0.1])
    changed = hit.copy()
    changed[3, 5] = plain

    def cosine(one: np.ndarray) -> float:
        return (query * one).sum() / np.linalg.norm(query) / np.linalg.norm(one)

    assert falls(query, hit, plain)[3, 5] == pytest.approx(cosine(hit) - cosine(changed))


def test_key_points_of_one_thing_moved_are_joined_by_inliers():
    scene = smooth(256, 256, 3)
    moved = np.roll(scene, (12, -20), axis=(0, 1))
    made = explainers.get("matches").explain(Pair(scene, moved, _vlad(), 0.0))
    (lines,) = made.blocks
    assert isinstance(lines, Lines)
    apart = (lines.hit - lines.query)[lines.kept]
    assert lines.kept.sum() >= 8
    np.testing.assert_allclose(np.median(apart, axis=0), (-20 / 256, 12 / 256), atol=0.01)


def test_no_key_points_is_said_in_a_sentence():
    plain = np.full((90, 90, 3), 120, np.uint8)
    for method in ("words", "matches"):
        pair = Pair(plain, smooth(256, 256, 3), _vlad(), 0.0)
        made = explainers.get(method).explain(pair)
        assert "query has no key points" in made.notes[0]
        assert made.hit is None or made.hit.empty


def _vlad():
    encoder = encoders.get("sift.vlad32")
    draw = np.random.default_rng(0)
    shapes = {"mean": (128,), "axes": (64, 128), "words": (32, 64)}
    return encoder.with_fit(
        {name: draw.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    )


def test_words_sum_to_the_score():
    pair = Pair(smooth(256, 256, 3), smooth(256, 256, 4), _vlad(), 0.0)
    made = explainers.get("words").explain(pair)
    whole = float(pair.vectors[0] @ pair.vectors[1])
    assert float(dict(made.facts)["Sum over all words"]) == pytest.approx(whole, abs=1e-4)
    assert made.blocks[0].names


def test_the_chance_of_same_falls_with_the_distance_and_knows_how_rare_it_is():
    draw = np.random.default_rng(0)
    same, different = draw.normal(0.5, 0.15, 400), draw.normal(1.2, 0.15, 400)
    even = Pairs(same, different, (1.0, 1.0), "the same object")
    rare = Pairs(same, different, (1.0, 50.0), "the same object")
    chances = [chance_same(even, distance) for distance in (0.3, 0.8, 0.9, 1.3)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.95
    assert chances[-1] < 0.05
    assert chance_same(rare, 0.85) < chance_same(even, 0.85)


def test_a_distance_stands_among_the_pairs_of_the_gallery():
    known = Pairs(np.linspace(0.2, 0.8, 50), np.linspace(0.7, 1.4, 50), (1, 9), "the same object")
    pair = pair_of("siamese.lookalike", planted(), planted(), pairs=lambda: known, threshold=1.05)
    made = explainers.get("distance").explain(pair)
    (block,) = made.blocks
    assert block.same.sum() == pytest.approx(1)
    assert block.value == pytest.approx(0, abs=0.01)
    assert dict(made.facts)["Chance of the same object"] == "over 99 %"
    assert dict(made.facts)["The network's own threshold"] == "1.050: the same object"
    alone = pair_of("siamese.lookalike", planted(), planted(), pairs=lambda: "There are no pairs.")
    said = explainers.get("distance").explain(alone)
    assert said.notes == ("There are no pairs.",)
    assert said.hit is not None
    assert not said.blocks


def test_bits_and_bands_that_collided_are_told():
    query = np.array([1, 1, 0, 0, 1, 0, 1, 1], bool)
    hit = np.array([1, 1, 0, 1, 1, 0, 0, 1], bool)
    plain = Pair(
        planted(), planted(), encoders.get("hog.8x8"), 0.5, codes=Codes("lsh", "bits", query, hit)
    )
    made = explainers.get("buckets").explain(plain)
    assert dict(made.facts) == {"Bits that agree": "6 of 8"}
    banded = Codes("minhash", "minima", query.astype(np.uint32), hit.astype(np.uint32), 2, 3, 0.4)
    made = explainers.get("buckets").explain(
        Pair(planted(), planted(), encoders.get("hog.8x8"), 0.5, codes=banded)
    )
    assert dict(made.facts)["Bands of 3 that collided"] == "1 of 2"
    assert "marked bands are shared" in made.about
    assert isinstance(made.blocks[0], Bits)


def test_every_explainer_describes_itself():
    assert set(explainers.names()) >= {"regions", "distance", "reconstruction", "occlusion"}
    for name in explainers.names():
        made = explainers.get(name)
        assert made.name == name
        assert made.title
        assert made.about.endswith(".")
    assert Deletion(0.2, 0.1).words.startswith("Covering the marked fifth")
    assert WHOLE == (0, 0, 1, 1)


def test_the_example_of_the_docs_marks_what_is_light_on_both():
    dark = np.full((64, 64, 3), 20, np.uint8)
    dark[8 * PLACE[0] : 8 * PLACE[0] + 8, 8 * PLACE[1] : 8 * PLACE[1] + 8] = 250
    encoders.names(), explainers.names()
    try:
        for page in ("add_an_encoder.md", "explanations.md"):
            exec(compile(examples(page)[0], page, "exec"), {"__name__": page})
        pair = pair_of("brightness.8x8", dark, dark)
        explainer = explainers.get("fields")
        assert explainer.applies(pair.encoder)
        told = explainer.explain(pair)
    finally:
        encoders._makers.pop("brightness.8x8", None)
        explainers._makers.pop("fields", None)
    assert near(told.query)
    assert near(told.hit)
    assert told.exact
