"""Text towers: the same numbers as open_clip's, through the same door as pictures' weights."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from core.encoders import words
from core.encoders.base import encoders
from core.errors import Cancelled, UserError
from tests import captions

NAME = captions.NAME
SMALL = {"context_length": 7, "vocab_size": 20, "width": 8, "heads": 2, "layers": 2}
SIGLIP = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"} | {
    "norm_kwargs": {"eps": 1e-6},
    "act_kwargs": {"approximate": "tanh"},
}
OPEN_CLIP = {
    "CLIP": (
        {"quick_gelu": True, "text_cfg": SMALL},
        [
            [0.16890036, 0.19345452, 0.19182554, 0.16423380, 0.11441383, 0.04910859],
            [0.29314222, 0.28881863, 0.24540481, 0.16877662, 0.06930523, -0.03954624],
        ],
    ),
    "SigLIP": (
        {"text_cfg": {**SMALL, **SIGLIP}},
        [
            [-0.64631617, 0.70135760, -0.99361902, 0.60564268, -1.14494515, 0.52796519],
            [-0.63366371, 0.68932325, -0.98259836, 0.59599829, -1.13699400, 0.52196896],
        ],
    ),
    "end by its number": (
        {"text_cfg": {**SMALL, "pool_type": "eos", "eos_id": 2}},
        [
            [0.30660591, 0.24498059, 0.15019834, 0.03508747, -0.08477238, -0.19315872],
            [0.33040888, 0.26274902, 0.15952733, 0.03471439, -0.09479704, -0.21147805],
        ],
    ),
}
"""What open_clip_torch 3.3.0 gives for the weights of :func:`filled` and the tokens of the test."""


def filled(tower) -> None:
    """Weights that anybody can make again: sines, the scales of normalisations around one."""
    import torch

    for place, (name, value) in enumerate(sorted(tower.state_dict().items())):
        wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 0.37 + place) * 0.3
        if name.endswith(("ln_1.weight", "ln_2.weight", "ln_final.weight")):
            wave = 1 + 0.1 * wave
        value.copy_(wave.reshape(value.shape).float())


@pytest.mark.parametrize("kind", OPEN_CLIP)
def test_a_tower_gives_what_open_clip_gives(kind):
    import torch

    from core.encoders.nets.text_tower import TextTower

    model, wanted = OPEN_CLIP[kind]
    tower = TextTower(words.planned("test", {"embed_dim": 6, **model}, 6)).eval()
    filled(tower)
    tokens = torch.tensor([[18, 5, 3, 19, 0, 0, 0], [18, 7, 2, 3, 11, 4, 19]])
    with torch.inference_mode():
        np.testing.assert_allclose(tower(tokens).numpy(), wanted, atol=2e-6)


@pytest.fixture
def tower(hub):
    return captions.put_text(hub, f"timm/{NAME}", 512)


def test_text_comes_from_the_hub_and_is_a_unit_vector_beside_the_pictures(tower, artifacts):
    import torch

    encoder = encoders.get(NAME)
    assert encoder.words.state().kind == "download"
    assert list(encoder.words.parameters()) == []
    found = encoder.words.encode("A  photo of a RED mug")
    held = sum(one.nbytes for one in encoder.words.parameters())
    assert held == sum(one.nbytes for one in tower.parameters()), "what a server counts"
    assert encoder.words.state().kind == "ready"
    known = captions.vocabulary()
    tokens = [captions.START, "a", "photo", "of", "a", "red", "mug", captions.END, "?"]
    with torch.inference_mode():
        wanted = tower(torch.tensor([[known[token] for token in tokens]])).numpy()
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert found.shape == (1, encoder.dim)
    assert (artifacts / "models" / f"{NAME}.text" / "model.safetensors").is_file()
    assert encoder.state().kind == "download", "the picture tower is another file"


def test_a_second_encoder_reads_what_is_there_offline(tower, monkeypatch):
    first = encoders.get(NAME).words.encode("a cat")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    np.testing.assert_array_equal(encoders.get(NAME).words.encode("a cat"), first)


def test_a_long_text_is_read_to_the_last_token_that_fits(tower):
    reads = encoders.get(NAME).words
    assert reads.cut("a photo of a red mug") == 0
    assert reads.cut("a photo of a red mug a cat") == 9
    np.testing.assert_array_equal(
        reads.encode("a photo of a red mug a cat"), reads.encode("a photo of a red mug a dog")
    )


def test_words_differ_and_small_letters_do_not(tower):
    reads = encoders.get(NAME).words
    assert float(reads.encode("red mug")[0] @ reads.encode("blue cat")[0]) < 0.999
    np.testing.assert_array_equal(reads.encode("Red &amp;Mug"), reads.encode("red &mug"))


@pytest.mark.parametrize(
    ("text", "how", "made"),
    [
        ("  A  Cat,\n&lt;here&gt; ", "lower", "a cat, <here>"),
        ("Red_Mug: it's", "canonicalize", "red mug its"),
        ("Rote  Tasse", "whitespace", "Rote Tasse"),
    ],
)
def test_texts_are_cleaned_as_training_cleaned_them(text, how, made):
    assert words.cleaned(text, how) == made


def test_offline_says_what_is_missing_and_where_it_belongs(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"HF_HUB_OFFLINE is set.*open_clip_config\.json"):
        encoders.get(NAME).words.encode("a cat")


def test_a_file_that_is_not_what_was_promised_is_dropped(tower, hub):
    hub.wrong_checksum = True
    with pytest.raises(UserError, match="not the file that was promised"):
        encoders.get(NAME).words.encode("a cat")
    hub.wrong_checksum = False
    encoders.get(NAME).words.encode("a cat")


def test_a_download_can_be_stopped(tower):
    with pytest.raises(Cancelled):
        encoders.get(NAME).words.load(lambda done, total: False)


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("tokenizer.json", b"{}"),
        ("open_clip_config.json", b"[1]"),
        ("tokenizer_config.json", b"not json"),
        ("model.safetensors", b"\x01" * 64),
    ],
)
def test_a_damaged_file_is_named(tower, artifacts, file, data):
    encoders.get(NAME).words.load()
    (artifacts / "models" / f"{NAME}.text" / file).write_bytes(data)
    with pytest.raises(UserError, match=file.replace(".", r"\.")):
        encoders.get(NAME).words.encode("a cat")


@pytest.mark.parametrize(
    ("more", "says"),
    [({"hf_model_name": "roberta-base"}, "hf_model_name"), ({"pool_type": "mean"}, "mean")],
)
def test_a_tower_of_another_kind_is_refused(hub, more, says):
    captions.put_text(hub, f"timm/{NAME}", 512)
    record = {"embed_dim": 512, "text_cfg": {**captions.TEXT, **more}}
    hub.put(f"timm/{NAME}", "open_clip_config.json", json.dumps({"model_cfg": record}).encode())
    with pytest.raises(UserError, match=says):
        encoders.get(NAME).words.load()


def test_a_tower_with_other_dimensions_is_refused(hub):
    captions.put_text(hub, f"timm/{NAME}", 256)
    with pytest.raises(UserError, match="256 dimensions, its picture tower 512"):
        encoders.get(NAME).words.load()


def test_worker_processes_get_no_tower(tower):
    encoder = encoders.get(NAME)
    found = encoder.words.encode("a cat")
    sent = pickle.dumps(encoder)
    assert len(sent) < 5_000
    np.testing.assert_array_equal(pickle.loads(sent).words.encode("a cat"), found)


@pytest.mark.parametrize(
    ("name", "repo"),
    [
        ("vit_base_patch16_clip_224.openai", "timm/vit_base_patch16_clip_224.openai"),
        ("vit_base_patch16_clip_quickgelu_224.openai", "timm/vit_base_patch16_clip_224.openai"),
        ("vit_base_patch32_clip_224.laion2b", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("vit_base_patch16_siglip_224.webli", "timm/ViT-B-16-SigLIP"),
        ("vit_base_patch16_siglip_256.webli_i18n", "timm/ViT-B-16-SigLIP-i18n-256"),
        ("vit_so400m_patch14_siglip_378.webli", "timm/ViT-SO400M-14-SigLIP-384"),
        ("vit_giantopt_patch16_siglip_384.v2_webli", "timm/ViT-gopt-16-SigLIP2-384"),
        ("vit_base_patch16_siglip_gap_224.webli", None),
        ("vit_base_patch16_clip_224.laion2b_ft_in1k", None),
        ("vit_huge_patch14_clip_224.metaclip2_worldwide", None),
        ("resnet50.tv_in1k", None),
    ],
)
def test_where_the_text_tower_lies(name, repo):
    """As the table of pretrained models of open_clip_torch 3.3.0 says."""
    assert words.repository(name) == repo
    made = encoders.get(name).words
    assert (made.repo if made else None) == repo


def test_languages_are_those_of_the_card():
    assert encoders.get("vit_base_patch16_clip_224.openai").words.languages == "English"
    many = encoders.get("vit_base_patch16_siglip_256.webli_i18n").words
    assert many.languages == "many languages"


@pytest.mark.parametrize(
    "name", ["hog.8x8", "resnet50.tv_in1k", f"{NAME}:pool=avg", f"{NAME}:pca=8"]
)
def test_text_has_no_place_among_other_vectors(name):
    assert encoders.get(name).words is None


def test_crops_and_other_sizes_read_text_as_their_network_does():
    assert encoders.get(f"{NAME}:size=192").words.repo == f"timm/{NAME}"
    from core.services.embedding import crops

    assert encoders.get(crops.named(NAME, "whole")).words.repo == f"timm/{NAME}"


def test_without_the_tokenizers_the_state_says_so(tower, monkeypatch):
    monkeypatch.setattr(words, "PACKAGE", "no_such_package")
    reads = encoders.get(NAME).words
    assert reads.state().kind == "unavailable"
    with pytest.raises(UserError, match=r"can't read text here.*no_such_package"):
        reads.encode("a cat")
