"""Every recipe learns, its result is an encoder, and its vectors survive the way to disk and
back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.encoders.base import encoders
from core.encoders.trained import Trained, Untrained, find_model
from core.encoders.trained_networks import SLIM, Blueprint, build
from core.errors import UserError
from core.services.training import runs
from core.training.runs import Run
from core.training.settings import override, read_recipe, recipe_names
from core.training.train import begin, work
from tests.training.conftest import TINY, paint_textures

MIRRORED = {"mirror": True, "principal": 0.5}
GENERAL = [name for name in recipe_names() if "/" not in name]


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> tuple[Run, Path]:
    """A finished run and the artifacts folder that it is in; learned once for all tests here."""
    home = tmp_path_factory.mktemp("classifier")
    told = {
        **TINY,
        "datasets": (str(paint_textures(home / "textures")),),
        "name": "resnet.first",
        "epochs": 8,
        "seed": 3,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home / "artifacts"))
        run = begin(override(read_recipe("classify"), told))
        work(run)
    return run, home / "artifacts"


@pytest.fixture
def finished(classifier, artifacts) -> Run:
    """That run, in this test's own artifacts folder."""
    shutil.copytree(classifier[1], artifacts, dirs_exist_ok=True)
    return classifier[0]


def losses(run) -> list[float]:
    return [line["loss"] for line in run.lines() if line["kind"] == "step"]


@pytest.mark.parametrize("recipe", GENERAL)
def test_every_recipe_learns_and_becomes_an_encoder(recipe, tiny):
    run = begin(tiny(recipe, epochs=3))
    folder = work(run)
    curve = losses(run)
    assert len(curve) == 18
    assert np.mean(curve[-6:]) < np.mean(curve[:6])
    assert folder.name in encoders.names()
    made = encoders.get(folder.name)
    pictures = [np.random.default_rng(n).integers(0, 255, (40, 50, 3), np.uint8) for n in range(5)]
    vectors = made.encode(pictures)
    assert vectors.shape == (5, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (made.tier, made.family) == ("trained", read_recipe(recipe).family)
    assert [line["kind"] for line in run.lines()][-1] == "end"


def test_labels_are_learned(finished):
    """Not only does the loss fall: pictures that were kept back find their class."""
    scores = [line["scores"]["mean"] for line in finished.lines() if line["kind"] == "validation"]
    assert max(scores) > 0.8
    assert max(scores) >= scores[0]


def test_saved_and_loaded_vectors_are_those_of_the_network_in_memory(finished):
    from core.training import train as training

    network, blueprint = training.make_network(finished.settings())
    training.load_checkpoint(finished.best, {"network": network})
    from core.encoders.base import unit_rows
    from core.encoders.trained_networks import to_input

    folder = find_model("resnet.first")
    made = Trained(folder)
    picture = np.random.default_rng(7).integers(0, 255, (32, 32, 3), np.uint8)
    import torch

    with torch.inference_mode():
        mine = network.eval()(
            to_input(torch.from_numpy(picture)[None].permute(0, 3, 1, 2), blueprint)
        ).numpy()
    assert np.abs(made.encode([picture]) - unit_rows(mine)).max() < 2e-3  # half precision on disk
    assert np.array_equal(made.encode([picture]), Trained(folder).encode([picture]))


def test_an_autoencoder_draws_and_a_siamese_network_tells_distances(tiny):
    drawer, pair = (
        Trained(work(begin(tiny("autoencoder", epochs=1)))),
        Trained(work(begin(tiny("siamese", epochs=1)))),
    )
    pictures = [np.full((50, 30, 3), shade, np.uint8) for shade in (0, 128, 255)]
    drawn = drawer.reconstruct(pictures)
    assert (drawn.shape, drawn.dtype) == ((3, 32, 32, 3), np.uint8)
    apart = pair.distance(pictures, pictures[::-1])
    assert apart[1] == 0
    assert apart[0] == pytest.approx(apart[2])
    assert 0 <= apart.min() <= apart.max() <= 2
    assert 0 < pair.threshold < 2
    assert drawer.threshold is None
    vectors = pair.encode(pictures)
    assert apart[0] == pytest.approx(np.linalg.norm(vectors[0] - vectors[2]), abs=1e-4)
    with pytest.raises(UserError, match="can't draw"):
        pair.reconstruct(pictures)
    with pytest.raises(UserError, match="distance of pairs"):
        drawer.distance(pictures, pictures)
    with pytest.raises(UserError, match="no pairs"):
        pair.distance(pictures, pictures[:1])


def test_an_autoencoder_with_mirror_images_and_scaled_directions(tiny):
    """It draws the same as without both, and its embedding does not change with the mirror."""
    noise = list(np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), np.uint8))
    turned = [image[:, ::-1] for image in noise]
    plain, made = (
        Trained(work(begin(tiny("autoencoder", epochs=1, stored="half", **changes))))
        for changes in ({"name": "auto.plain"}, {"name": "auto.both", **MIRRORED})
    )
    drawn = made.reconstruct(noise).astype(int)
    assert np.abs(drawn - plain.reconstruct(noise)).max() <= 2
    assert made.encode(noise) == pytest.approx(made.encode(turned), abs=1e-4)
    assert np.abs(plain.encode(noise) - plain.encode(turned)).max() > 0.01
    spread = [np.linalg.eigvalsh(np.cov(one.codes(noise).T))[-2:] for one in (plain, made)]
    assert spread[1][1] / spread[1][0] > spread[0][1] / spread[0][0]


def test_whitened_directions_have_one_variance():
    import torch

    from core.encoders.nets.autoencoder import Autoencoder

    torch.manual_seed(0)
    network = Autoencoder(8, 16).eval()
    shown = torch.rand(200, 3, 16, 16)
    with torch.no_grad():
        drawn = network.decode(network.code(shown))
        network.scale_directions(network.code(shown), -1.0)
        codes = network.code(shown)
        assert network.decode(codes) == pytest.approx(drawn, abs=1e-4)
    assert torch.cov(codes.T).numpy() == pytest.approx(np.eye(8), abs=1e-2)


def test_the_reconstruction_gets_closer_to_the_picture(tiny, textures):
    from core.images import decode_file, resize

    settings = tiny("autoencoder", epochs=20, augment="none", dim=64, lr=5e-3)
    folder = work(begin(settings))
    pictures = [decode_file(path) for path in sorted(textures.rglob("*.png"))[:8]]
    wanted = np.stack([resize(picture, 32, 32) for picture in pictures]).astype(float)
    error = np.square(Trained(folder).reconstruct(pictures) - wanted).mean()
    assert (
        error < 0.8 * np.square(wanted.mean(axis=(1, 2), keepdims=True) - wanted).mean()
    )  # better than each one's mean colour


@pytest.mark.parametrize(
    "loss", ["proxy-anchor", "multi-similarity", "supcon", "cross-entropy + 0.5 triplet"]
)
def test_other_losses_take_the_place_of_a_recipes_own(loss, tiny):
    run = begin(tiny("triplet", loss=loss, epochs=1))
    work(run)
    assert np.isfinite(losses(run)).all()


def test_vicreg_needs_no_labels(tiny, tmp_path, textures):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in textures.rglob("*.png"):
        path.rename(flat / f"{path.parent.name}{path.name}")
    run = begin(tiny("selfsup", loss="vicreg", datasets=(str(flat),), epochs=1))
    work(run)
    assert np.isfinite(losses(run)).all()


@pytest.mark.parametrize("backbone", [*SLIM])
def test_the_slim_members_of_each_family(backbone):
    import torch

    network = build(Blueprint("embedder", backbone, 192, 64)).eval()
    assert 0.5e6 < sum(p.numel() for p in network.parameters()) < 5e6
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 192)


def test_a_model_imitates_another(finished, tiny):
    told = tiny(
        "classify",
        loss="distill",
        teacher="resnet.first",
        backbone="vgg-slim",
        name="vgg.pupil",
        dim=24,
        epochs=4,
    )
    run = begin(told)
    work(run)
    assert np.mean(losses(run)[-4:]) < np.mean(losses(run)[:4])


def test_fine_tuning_starts_from_the_other_model(finished, tiny):
    first = find_model("resnet.first")
    second = work(
        begin(
            tiny(
                "triplet",
                start_from="resnet.first",
                name="resnet.second",
                lr=1e-7,
                epochs=1,
                dim=99,
                size=64,
            )
        )
    )
    card = json.loads((second / "card.json").read_text())
    assert (card["starts_from"], card["network"]["dim"], card["network"]["size"]) == (
        "resnet.first",
        16,
        32,
    )
    picture = [np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8)]
    one, two, other = (
        made.encode(picture) for made in (Trained(first), Trained(second), Untrained(card))
    )
    assert (one * two).sum() > 0.8 > (one * other).sum()


def test_the_card_tells_where_the_weights_come_from(finished):
    folder = find_model("resnet.first")
    card = json.loads((folder / "card.json").read_text())
    assert card["sha256"] == store.digest(folder / "weights.safetensors")
    assert (card["seed"], card["recipe"], card["epochs"], card["data"][0]["classes"]) == (
        3,
        "classify",
        8,
        4,
    )
    assert card["licence"]
    assert {"metric", "mean"} <= set(card["validation"])


def test_several_datasets_are_learned_together(tiny, textures, tmp_path, pictures):
    run = begin(
        tiny("classify", datasets=(str(textures), str(pictures)), shares=(3.0, 1.0), epochs=1)
    )
    card = json.loads((work(run) / "card.json").read_text())
    assert [one["classes"] for one in card["data"]] == [4, 2]


def test_runs_have_a_state(finished, tiny):
    told = runs.status(finished.id)
    assert (told.state, told.step, told.steps, len(told.loss), len(told.validation)) == (
        "done",
        48,
        48,
        48,
        8,
    )
    assert told.best[1] == max(row["mean"] for row in told.validation)
    new = begin(tiny("classify", name="resnet.new"))
    assert runs.status(new.id).state == "new"
    assert runs.run_ids() == [new.id, finished.id]
