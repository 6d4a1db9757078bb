"""Pictures that were changed in place, with their size and time given back: a check finds them, and
only them."""

from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest
from PIL import Image

from core import store
from core.cli.main import main
from core.datasets.base import marks_file
from core.services.embedding import contents, galleries, stored
from core.services.embedding.build import build
from core.services.library import content_check, library
from tests.plugged import numbered, paint

NAME = "counting.test"


def change(path, shade: int) -> None:
    """Another picture of the same number of bytes, with the times of before."""
    told, size = path.stat(), path.stat().st_size
    Image.new("RGB", (24, 24), (shade, 0, 0)).save(path)
    data = path.read_bytes()
    assert len(data) <= size
    path.write_bytes(data + bytes(size - len(data)))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def opened(folder):
    return library.open_dataset(str(folder), fresh=True)


def vector(folder, counting, id: str) -> np.ndarray:
    found = stored.read(opened(folder), counting())
    return np.asarray(found.vectors[found.ids.index(id)])


def wanted(shade: int) -> np.ndarray:
    row = np.tile(np.array([shade, 0, 0], np.float32) + 1, 16)
    return row / np.linalg.norm(row)


def test_the_time_left_of_a_check_is_that_of_the_build_behind_it_too(counting, gallery, tmp_path):
    log = tmp_path / "log.jsonl"
    asked = ["build", "--dataset", str(gallery), "--encoders", NAME, "--check-content"]
    assert main([*asked, "--log", str(log)]) == 0
    *lines, last = [json.loads(line) for line in log.read_text().splitlines()]
    assert last["state"] == "done"
    assert all("left" in line for line in lines)
    assert lines[0]["left"] > 1.0, "the workers of a build alone take longer to begin"
    assert lines[0]["share"] < 0.5


def test_without_a_check_nothing_is_noticed(counting, gallery):
    build(opened(gallery), [NAME])
    before = vector(gallery, counting, "00003.png")
    change(gallery / "00003.png", 200)
    assert build(opened(gallery), [NAME])[0].encoded == 0
    assert np.array_equal(vector(gallery, counting, "00003.png"), before)


@pytest.mark.parametrize("seed", range(4))
def test_a_check_encodes_what_was_changed_and_nothing_else(counting, gallery, seed):
    draw = random.Random(seed)
    build(opened(gallery), [NAME])
    names = sorted(draw.sample(numbered(20), draw.randint(1, 6)))
    shades = {name: draw.randrange(20, 256) for name in names}
    for name, shade in shades.items():
        change(gallery / name, shade)
    dataset, made = content_check.checked(opened(gallery))
    assert (made.read, sorted(made.changed), made.unknown, made.unreadable) == (20, names, 0, 0)
    assert build(dataset, [NAME])[0].encoded == len(names)
    for name, shade in shades.items():
        assert np.allclose(vector(gallery, counting, name), wanted(shade), atol=1e-5)
    index, _ = galleries.gallery_index(opened(gallery), counting(), "exact")
    assert index.search(wanted(shades[names[0]])[None], 1).scores[0, 0] > 0.999
    again = content_check.check(opened(gallery))
    assert (again.changed, again.unknown) == ((), 0), "what was seen once is known"
    assert build(opened(gallery), [NAME])[0].encoded == 0


def test_changed_twice_and_changed_with_its_time(counting, gallery):
    build(opened(gallery), [NAME])
    for shade in (90, 180):
        change(gallery / "00001.png", shade)
        dataset, made = content_check.checked(opened(gallery))
        assert made.changed == ("00001.png",)
        assert build(dataset, [NAME])[0].encoded == 1
        assert np.allclose(vector(gallery, counting, "00001.png"), wanted(shade), atol=1e-5)
    paint(gallery, ["00001.png"], seed=7)
    assert build(opened(gallery), [NAME])[0].encoded == 1, (
        "an honest change is seen without a check"
    )
    assert content_check.check(opened(gallery)).changed == ()


def test_a_picture_changed_between_two_builds_is_found(counting, fitted, gallery):
    """The second build read the new content: what counts is what the first was made from."""
    build(opened(gallery), [NAME])
    change(gallery / "00005.png", 120)
    build(opened(gallery), ["tiny.16x16"])
    assert content_check.check(opened(gallery)).changed == ("00005.png",)


@pytest.mark.parametrize(
    "harm", [lambda file: file.unlink(), lambda file: file.write_bytes(bytes(file.stat().st_size))]
)
def test_embeddings_without_notes_are_made_again_once(counting, gallery, harm):
    build(opened(gallery), [NAME])
    harm(next((store.root() / "cache" / contents.KIND).glob("*.npy")))
    dataset, made = content_check.checked(opened(gallery))
    assert (made.changed, made.unknown) == ((), 20)
    assert "never noted" in made.words
    assert build(dataset, [NAME])[0].encoded == 20
    assert content_check.check(opened(gallery)).unknown == 0


def test_a_check_before_any_build_marks_nothing(counting, gallery):
    assert content_check.check(opened(gallery)).unknown == 0
    assert not marks_file(opened(gallery).locator).exists()
    assert build(opened(gallery), [NAME])[0].encoded == 20


@pytest.mark.parametrize("text", ["", "\0\0\0", "[]", "[1, 2]", '{"a": 1}', '{"a": [1]}', "null"])
def test_damaged_marks_count_as_absent(counting, gallery, text):
    store.write_text(marks_file(opened(gallery).locator), text)
    assert build(opened(gallery), [NAME])[0].encoded == 20


def test_a_picture_that_vanished_is_counted(counting, gallery):
    build(opened(gallery), [NAME])
    dataset = opened(gallery)
    (gallery / "00002.png").unlink()
    made = content_check.check(dataset)
    assert (made.read, made.unreadable) == (19, 1)


def test_the_command_line_has_it(counting, gallery, here):
    build(opened(gallery), ["tiny.16x16"])
    change(gallery / "00004.png", 66)
    code, out, err = here(
        "build", "--dataset", str(gallery), "--encoders", "tiny.16x16", "--check-content", "--json"
    )
    assert code == 0
    assert "20 pictures read, 1 changed" in err
    assert '"encoded": 1' in out
