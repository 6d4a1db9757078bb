"""Training of the detector objects: pictures, targets, a run that learns, and one that was
stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from core.detectors.nets.objects import PLACES, STAGES, Head
from core.detectors.objects import peaks
from core.training import objects
from core.training.composites import Mixture, cut_out, drawn, overlap
from core.training.objects import Settings


def blob(height: int = 90, width: int = 70) -> np.ndarray:
    """A red ellipse without a ground, RGBA."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = (x**2 + y**2 <= 1).astype(np.uint8)
    return np.dstack([inside * 230, inside * 10, inside * 20, inside * 255])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("clean", [0.0, 1.0])
def test_a_training_picture_bears_the_boxes_of_what_is_in_it(seed, clean):
    ground = np.full((200, 260, 3), (40, 140, 60), np.uint8)
    shown = ground.copy()
    shown[50:140, 90:160][blob()[..., 3] > 0] = (230, 10, 20)
    picture = shown, (90 / 260, 50 / 200, 160 / 260, 140 / 200)
    draw = np.random.default_rng(seed)
    mixture = Mixture(clean=clean, second=1.0 - clean)
    image, boxes = drawn([blob()], [picture], [ground], 128, draw, mixture)
    assert image.shape == (128, 128, 3)
    assert 1 <= len(boxes) <= 2
    red = image[..., 0].astype(int) - image[..., 1] > 60
    seen = np.zeros_like(red)
    for x0, y0, x1, y1 in boxes:
        part = red[int(y0 * 128) : int(y1 * 128) + 1, int(x0 * 128) : int(x1 * 128) + 1]
        assert part.mean() > 0.6
        seen[
            max(int(y0 * 128) - 2, 0) : int(y1 * 128) + 3,
            max(int(x0 * 128) - 2, 0) : int(x1 * 128) + 3,
        ] = 1
    assert not (red & ~seen).any(), "nothing red lies outside of the boxes"


def test_what_is_cut_out_loses_its_ground():
    image = np.full((120, 120, 3), 225, np.uint8)
    image[20:110, 30:100][blob()[..., 3] > 0] = (200, 20, 30)
    piece = cut_out(image, (30 / 120, 20 / 120, 100 / 120, 110 / 120))
    assert piece.shape[2] == 4
    assert piece[piece.shape[0] // 2, piece.shape[1] // 2, 3] == 255
    assert piece[0, 0, 3] == 0


def test_targets_stand_at_the_middles_and_name_the_boxes():
    boxes = [[(0.1, 0.2, 0.5, 0.6)], [(0.0, 0.0, 1.0, 1.0), (0.7, 0.7, 0.8, 0.8)]]
    heat, edges = objects.targets(boxes)
    for row, own in enumerate(boxes):
        for box in own:
            x, y = (
                int((low + high) / 2 * PLACES) for low, high in ((box[0], box[2]), (box[1], box[3]))
            )
            assert heat[row, y, x] == 1.0
            assert edges[row, y, x].tolist() == pytest.approx(box)
    assert (heat == 1).sum() == 3


def stand_ins(count: int, seed: int):
    """Maps that show where a box is, as a backbone would, and the boxes."""
    draw = np.random.default_rng(seed)
    boxes, maps = [], [[] for _ in STAGES]
    for _ in range(count):
        x, y, wide, high = draw.uniform((0.0, 0.0, 0.3, 0.3), (0.4, 0.4, 0.6, 0.6))
        boxes.append([(x, y, x + wide, y + high)])
        for place, (stride, channels) in enumerate(zip((8, 16, 32), STAGES.values(), strict=True)):
            side = 256 // stride
            at = (np.arange(side) + 0.5) / side
            inside = ((at >= x) & (at <= x + wide))[None] & ((at >= y) & (at <= y + high))[:, None]
            noise = draw.normal(0, 0.1, (channels, side, side))
            noise[:4] += 2.0 * inside
            maps[place].append(torch.from_numpy(noise.astype(np.float16)))
    return [torch.stack(one) for one in maps], boxes


@pytest.fixture
def run(tmp_path):
    """``run(name, epochs, stop)``: a small training; with ``stop`` it ends after so many epochs."""
    given, checked = stand_ins(24, 0), stand_ins(4, 1)

    def go(name: str, stop: int = 0):
        settings, said = Settings(epochs=3, batch=6, lr=4e-3), []

        def say(text: str) -> None:
            said.append(json.loads(text))
            if len(said) == stop:
                raise KeyboardInterrupt

        torch.manual_seed(0)
        head = Head()
        told = objects.train(head, given, checked, settings, tmp_path / name, say)
        return head, told, said

    torch.set_num_threads(1)
    return go


def test_it_learns_and_a_stopped_run_ends_as_one_that_was_not(run):
    whole, told, said = run("whole")
    assert [one["epoch"] for one in said] == [1, 2, 3]
    assert said[-1]["loss"] < 0.7 * said[0]["loss"]
    with pytest.raises(KeyboardInterrupt):
        run("stopped", stop=1)
    resumed, again, rest = run("stopped")
    assert [one["epoch"] for one in rest] == [2, 3]
    assert again["loss"] == pytest.approx(told["loss"])
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)


def test_peaks_are_places_surer_than_their_neighbours():
    scores = np.full((4, 4), 0.01, np.float32)
    scores[1, 1], scores[1, 2], scores[3, 3], scores[0, 3] = 0.9, 0.7, 0.6, 0.2
    boxes = np.random.default_rng(0).random((4, 4, 4), np.float32)
    found = peaks(scores, boxes, 0.3, 10)
    np.testing.assert_array_equal(found[:, 4], np.float32([0.9, 0.6]))
    np.testing.assert_array_equal(found[:, :4], [boxes[1, 1], boxes[3, 3]])
    assert found.dtype == np.float32
    assert len(peaks(scores, boxes, 0.0, 1)) == 1


def test_it_is_written_whole_with_a_card_that_says_its_digest(tmp_path):
    from core import store
    from core.weights import files

    torch.manual_seed(1)
    head = Head()
    objects.write(head, tmp_path / "made", {"title": "Mine"}, Settings(epochs=3))
    card = json.loads((tmp_path / "made" / "card.json").read_text())
    path = tmp_path / "made" / "weights.safetensors"
    assert card["sha256"] == store.digest(path)
    assert (card["title"], card["settings"]["epochs"]) == ("Mine", 3)
    again = Head()
    again.load_state_dict(files.read(path))
    for one, other in zip(head.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


def test_overlap_is_intersection_over_union():
    assert overlap((0, 0, 1, 1), (0.5, 0, 1.5, 1)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0.2, 0.2), (0.5, 0.5, 1, 1)) == 0.0
