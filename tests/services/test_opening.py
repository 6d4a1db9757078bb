"""What a gallery opens with, and what is known of a build before it is asked for."""

from __future__ import annotations

import json

import pytest

from core import store
from core.encoders.base import encoders
from core.services.embedding import opening, passes
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.contents import content_hash, known_hash
from core.services.evaluation import latency, reports
from core.services.evaluation.evaluate import evaluate
from core.services.library import library

NAMES = [
    "tf_efficientnet_lite0.in1k",
    "siamese.lookalike",
    "triplet.lookalike",
    "hog.8x8",
    "resnet50.tv_in1k",
]


def row(name: str, tier: str = "bundled", family: str = "") -> dict:
    return {"name": name, "tier": tier, "family": family}


@pytest.fixture
def dataset(pictures):
    return library.open_dataset(str(pictures), fresh=True)


def test_what_opens_first_is_there_and_works_offline():
    rows = [library.get_encoder_row(name) for name in opening.FIRST_ENCODERS]
    assert [one["tier"] for one in rows] == ["packaged", "bundled", "bundled"]
    assert rows[1]["family"] in opening.LEARNED
    assert all(one["state"] == "ready" for one in rows)


def test_the_metric_learned_network_that_opens_first_is_the_best_by_the_shipped_leaderboard():
    learned = [
        name
        for name in encoders.names()
        if library.get_encoder_row(name)["family"] in opening.LEARNED
    ]
    rows = [one for one in reports.rows("leaderboard") if one["encoder"] in learned]
    boards = {(one["dataset"], one["protocol"]) for one in rows}
    means = {
        name: [one["means"]["mAP"] for one in rows if one["encoder"] == name] for name in learned
    }
    means = {name: sum(scores) for name, scores in means.items() if len(scores) == len(boards)}
    assert max(means, key=means.get) == opening.BEST_LEARNED


def test_without_an_evaluation_the_tier_decides(dataset):
    given = [
        row("resnet50.tv_in1k", "pretrained"),
        row("hog.8x8"),
        row("own.mine", "trained"),
        row("learned.lookalike", family="triplet"),
        row("vgg.lookalike", family="vgg"),
        row(opening.BEST_LEARNED, family="siamese"),
        row("lite0", "packaged"),
    ]
    wanted = [
        "lite0",
        opening.BEST_LEARNED,
        "learned.lookalike",
        "own.mine",
        "hog.8x8",
        "vgg.lookalike",
        "resnet50.tv_in1k",
    ]
    assert opening.best_first(dataset, given) == wanted


def test_an_evaluation_of_these_pictures_decides_among_those_that_it_names(dataset, monkeypatch):
    monkeypatch.setattr(latency, "RUNS", 6)
    evaluate("ours", [dataset], ["tiny.16x16", "hsv.12x4x4", "hog.8x8"]).save()
    scores = opening.evaluated(dataset)
    assert set(scores) == {"tiny.16x16", "hsv.12x4x4", "hog.8x8"}
    ordered = sorted(scores, key=lambda name: -scores[name])
    rows = [row(name) for name in reversed(ordered)] + [row("lite0", "packaged")]
    found = opening.best_first(dataset, rows)
    assert [scores[name] for name in found[1:]] == sorted(scores.values(), reverse=True)
    assert found[0] == "lite0", "what nobody evaluated keeps the place of its tier"


def test_an_evaluation_of_other_pictures_of_the_same_name_does_not_count(
    dataset, monkeypatch, tmp_path
):
    monkeypatch.setattr(latency, "RUNS", 6)
    evaluate("ours", [dataset], ["tiny.16x16"]).save()
    (tmp_path / "pictures" / "cold" / "0.png").unlink()
    changed = library.open_dataset(str(tmp_path / "pictures"), fresh=True)
    assert known_hash(changed) is None
    content_hash(changed)
    assert known_hash(changed) is not None
    assert opening.evaluated(changed) == {}


def test_a_build_on_this_machine_says_how_long_the_next_takes(dataset, monkeypatch):
    monkeypatch.setattr(passes, "ENOUGH", 12)
    build(dataset, ["tiny.16x16"])
    meta = store.read_meta(prepared(dataset, "tiny.16x16").path)
    times = passes.build_times()
    assert times.each["tiny.16x16"] == pytest.approx(meta["encode_s"] / 12)
    assert times.held[dataset.locator, "tiny.16x16"] == 12
    assert times.built_of(dataset.locator) == ["tiny.16x16"]
    catalogue = library.open_dataset("catalogue")
    assert times.seconds(catalogue, "tiny.16x16") == pytest.approx(2720 * meta["encode_s"] / 12)
    assert times.seconds(dataset, "nothing.known") is None


def test_what_a_gallery_has_grown_by_is_all_that_takes_time(dataset):
    times = passes.BuildTimes({"a": 2.0}, {(dataset.locator, "a"): 9})
    assert times.seconds(dataset, "a") == 2.0 * 3


def test_elsewhere_the_shipped_latencies_say_it(dataset):
    known = passes.build_times().each
    classical = [
        name for name in encoders.names() if library.get_encoder_row(name)["tier"] == "bundled"
    ]
    classical.remove("sift.match")  # its vectors are those of SIFT with VLAD
    assert set(classical) <= set(known)
    assert all(1e-5 < known[name] < 1 for name in classical), "seconds a picture"
    assert known["dhash.16x16"] < known["sift.vlad32"]


def test_a_damaged_report_says_nothing(artifacts):
    folder = artifacts / reports.FOLDER / "broken"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{")
    assert reports.rows("broken") == []
    assert "hog.8x8" in passes.build_times().each


def test_encoders_of_one_pass_have_seconds_of_their_own(dataset, monkeypatch):
    """A slow encoder beside a quick one does not make the quick one look slow."""
    import time

    from core.encoders.tiny import TinyImage

    class Slow(TinyImage):
        name = "slow.test"

        def _encode(self, batch):
            time.sleep(1.0)
            return super()._encode(batch)

    encoders.names()
    monkeypatch.setitem(encoders._makers, Slow.name, Slow)
    build(dataset, ["slow.test", "tiny.16x16"])
    paths = {name: prepared(dataset, name).path for name in ("slow.test", "tiny.16x16")}
    spent = {
        name: json.loads((path / "meta.json").read_text())["encode_s"]
        for name, path in paths.items()
    }
    assert spent["slow.test"] - spent["tiny.16x16"] > 0.9
