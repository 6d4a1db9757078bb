"""A small model that was trained with captions, as the hub has it: a picture tower of timm, and a
text tower with its measures and its tokenizer."""

from __future__ import annotations

import json

from tests.hub import Hub

NAME = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
WORDS = ("a", "photo", "of", "red", "blue", "mug", "cat", "dog")
START, END = "<start_of_text>", "<end_of_text>"
TEXT = {"context_length": 9, "vocab_size": 11, "width": 16, "heads": 2, "layers": 2}


def vocabulary() -> dict[str, int]:
    """Words to numbers; the end of a text has the largest one, as CLIP's has."""
    return {"?": 0, **{word: place for place, word in enumerate((*WORDS, START, END), start=1)}}


def tokenizer() -> str:
    """The tokenizer.json of :func:`vocabulary`: one token a word, between start and end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    known = vocabulary()
    made = Tokenizer(models.WordLevel(known, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [(START, known[START]), (END, known[END])]
    made.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=ends
    )
    return made.to_str()


def put_text(hub: Hub, repo: str, dim: int, seed: int = 0, **more: object):
    """A random text tower on the hub, with a part of a picture tower in its file; returns it.
    ``more`` changes open_clip's record of the text tower."""
    import torch
    from safetensors.torch import save

    from core.encoders.nets.text_tower import TextTower
    from core.encoders.words import planned

    model = {"embed_dim": dim, "quick_gelu": True, "text_cfg": {**TEXT, **more}}
    torch.manual_seed(seed)
    tower = TextTower(planned(repo, model, dim)).eval()
    with torch.no_grad():
        for value in tower.parameters():
            torch.nn.init.normal_(value, std=0.5)
    state = {**tower.state_dict(), "visual.proj": torch.zeros(4), "logit_scale": torch.ones(())}
    hub.put(repo, "open_clip_model.safetensors", save(state))
    hub.put(repo, "open_clip_config.json", json.dumps({"model_cfg": model}).encode())
    hub.put(repo, "tokenizer.json", tokenizer().encode())
    hub.put(repo, "tokenizer_config.json", json.dumps({"pad_token": {"content": "?"}}).encode())
    return tower


def put_pictures(hub: Hub, name: str = NAME, seed: int = 0):
    """A random picture tower on the hub; returns it."""
    import timm
    import torch
    from safetensors.torch import save

    torch.manual_seed(seed)
    model = timm.create_model(name).eval()
    config = timm.models.get_pretrained_cfg(name)
    hub.put(config.hf_hub_id, "model.safetensors", save(model.state_dict()))
    return model
