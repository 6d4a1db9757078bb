"""Distortions, the perturbation lab and data health: known truth on made pictures and vectors."""

from __future__ import annotations

import json
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.stats import skew

from core.cli.main import main
from core.errors import UserError
from core.metrics import geometry
from core.services.embedding.build import build
from core.services.evaluation import health, perturb
from core.services.evaluation.distortions import DISTORTIONS, distort
from core.services.library import library


def photo(height: int = 120, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(smooth)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_changes_more_and_more_and_always_alike(name):
    row, image = DISTORTIONS[name], photo()
    before, changes = image.copy(), []
    for strength in row.strengths:
        changed = distort(image, name, strength)
        assert changed.dtype == np.uint8
        assert changed.shape[2] == 3
        np.testing.assert_array_equal(changed, distort(image, name, strength))
        shown = np.asarray(Image.fromarray(changed).resize((160, 120)), float)
        changes.append(np.abs(shown - image).mean())
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(distort(image, name, row.none), image)
    assert min(changes) > 0
    assert len(set(changes)) == len(changes)
    if name not in ("rotate", "scale", "crop"):  # what moves is soon as wrong as it can be
        assert changes == sorted(changes)


@pytest.mark.parametrize("name", DISTORTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2)])
def test_tiny_pictures_survive(name, shape):
    for strength in DISTORTIONS[name].strengths:
        assert distort(photo(*shape), name, strength).size > 0


def test_a_wrong_distortion_is_refused():
    with pytest.raises(UserError, match="rotate"):
        distort(photo(), "melt", 1)
    with pytest.raises(UserError, match="0 to 180"):
        distort(photo(), "rotate", 1000)


@pytest.fixture
def dataset(pictures):
    found = library.open_dataset(str(pictures), fresh=True)
    build(found, ["hsv.12x4x4", "tiny.16x16"])
    return found


def test_robustness_curves(dataset):
    made = perturb.robustness(dataset, "hsv.12x4x4", 6, ["rotate", "noise"])
    assert made["sample"] == 6
    assert set(made["curves"]) == {"rotate", "noise"}
    for rows in made["curves"].values():
        first = rows[0]
        assert first["recall@1"] == first["overlap"] == 1.0
        assert first["rbo"] == pytest.approx(1.0)
        assert first["cosine"] == pytest.approx(1.0, abs=1e-5)
        assert all(
            0 <= row[key] <= 1
            for row in rows
            for key in ("recall@1", "recall@10", "overlap", "rbo")
        )
    noisy = made["curves"]["noise"]
    assert noisy[-1]["cosine"] < noisy[1]["cosine"] < 1
    assert perturb.robustness(dataset, "hsv.12x4x4", 6, ["rotate", "noise"]) == made


def test_turning_by_180_degrees_fools_a_tiny_image_but_no_histogram(dataset):
    image, turned = perturb.live(dataset, "cold/0.png", "rotate", 180, ["hsv.12x4x4", "tiny.16x16"])
    assert image[:4] == b"RIFF"
    histogram, tiny = turned
    assert histogram.cosine > tiny.cosine
    assert histogram.rank == 1
    assert "cold/0.png" in histogram.hits


def test_occurrences_and_hubs():
    top = np.array([[0, 1], [0, 2], [0, -1]])
    counts = geometry.occurrences(top, 4)
    assert counts.tolist() == [3, 1, 1, 0]
    found = geometry.hubness(counts)
    assert found["skewness"] == pytest.approx(skew(counts))
    assert (found["never found"], found["largest"]) == (0.25, 3)
    assert geometry.hubness(np.full(5, 2))["skewness"] == 0.0


def test_directions_used():
    rng = np.random.default_rng(0)
    assert geometry.effective_dimensions(rng.standard_normal((4000, 10))) == pytest.approx(
        10, rel=0.02
    )
    line = np.outer(rng.standard_normal(100), np.ones(10))
    assert geometry.effective_dimensions(line) == pytest.approx(1)
    wide = rng.standard_normal((50, 400))
    assert geometry.effective_dimensions(wide) == pytest.approx(
        geometry.effective_dimensions(np.hstack([wide, 0 * wide]))
    )


def test_random_pairs_are_never_a_row_with_itself():
    vectors = np.eye(3, dtype=np.float32)
    assert geometry.random_cosines(vectors, 1000).max() == 0.0


def test_a_threshold_takes_all_pairs_of_one_score():
    scores = np.array([0.9, 0.8, 0.8, 0.7])
    right = np.array([1, 1, 0, 1])
    assert geometry.threshold_for(scores, right, 0.9, fewest=1) == 0.9
    assert geometry.threshold_for(scores, right, 0.7, fewest=1) == 0.7
    assert geometry.threshold_for(scores, right, 0.9) is None  # four pairs are no ground
    assert geometry.threshold_for(scores, np.zeros(4), 0.1, fewest=1) is None


def test_calibration_error():
    right = np.random.default_rng(0).random(20_000) < 0.3
    assert geometry.expected_calibration_error(np.full(20_000, 0.3), right) < 0.02
    assert geometry.expected_calibration_error(np.full(20_000, 0.9), right) == pytest.approx(
        0.6, abs=0.02
    )


def leaked(pictures, tmp_path):
    """train and test with one picture of each class saved again as a JPEG."""
    for split in ("train", "test"):
        for path in sorted(pictures.rglob("*.png")):
            target = tmp_path / "leak" / split / path.parent.name / f"{split}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            seed = zlib.crc32(f"{split} {path.name} {path.parent.name}".encode())
            noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
            tint = 60 if path.parent.name == "cold" else 0
            small = Image.fromarray((noise // 2 + tint).astype(np.uint8))
            small.resize((96, 96), Image.Resampling.BICUBIC).save(target)
    for label in ("cold", "warm"):
        folder = tmp_path / "leak"
        with Image.open(folder / "train" / label / "train-0.png") as image:
            image.save(folder / "test" / label / "test-leak.jpg", quality=85)
    return tmp_path / "leak"


def test_health_finds_the_leak_and_what_it_was_worth(pictures, tmp_path):
    dataset = library.open_dataset(str(leaked(pictures, tmp_path)))
    build(dataset, ["tiny.16x16"])
    told: list[tuple[int, int]] = []
    found = health.health(dataset, "tiny.16x16", None, lambda *count: told.append(count))
    twins = found["duplicates"]
    assert twins["pairs"] == 2 == twins["queries"]
    assert {tuple(pair[:2]) for pair in twins["shown"]} == {
        (f"test/{label}/test-leak.jpg", f"train/{label}/train-0.png") for label in ("cold", "warm")
    }
    assert twins["mAP without"] < twins["mAP with"]
    assert twins["across classes"] == 0
    assert (
        sum(found["similarity"]["same"]) + sum(found["similarity"]["different"])
        == found["similarity"]["pairs"]
        == 14 * 12
    )
    assert found["similarity"]["share same"] == pytest.approx(0.5)
    counted = [done for done, total in told if total == told[-1][1]]
    assert counted == sorted(counted)
    later = [done for done in counted if done > 14 * 12]
    assert len(later) >= 4, "what follows the comparison of all pairs is counted, too"


def test_health_without_labels_says_why(tmp_path, pictures):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in pictures.rglob("*.png"):
        shutil.copy(path, flat / f"{path.parent.name}{path.name}")
    dataset = library.open_dataset(str(flat), fresh=True)
    build(dataset, ["tiny.16x16"])
    with pytest.raises(UserError, match="without labels"):
        health.health(dataset, "tiny.16x16")


def test_command_line(dataset, capsys):
    asked = ["--dataset", dataset.locator, "--encoders", "hsv.12x4x4"]
    assert main(["probe", *asked, "--json"]) == 0
    assert [row["factor"] for row in json.loads(capsys.readouterr().out)["hsv.12x4x4"]] == ["label"]
    assert main(["perturb", *asked, "--distortions", "blur", "--sample", "4"]) == 0
    assert "recall@1" in capsys.readouterr().out
    assert main(["health", *asked]) == 0
    assert "hubness" in capsys.readouterr().out
    assert (
        main(
            [
                "audit",
                "--dataset",
                dataset.locator,
                "--encoder",
                "hsv.12x4x4",
                "--query",
                "warm/1.png",
            ]
        )
        == 0
    )
    assert "AP@K, divided by hits found" in capsys.readouterr().out
    assert main(["perturb", *asked, "--distortions", "melt"]) == 1
    assert "rotate" in capsys.readouterr().err
