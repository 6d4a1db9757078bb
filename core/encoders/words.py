"""Text for encoders that were trained with captions: CLIP's and SigLIP's other half, which puts
words where it puts the pictures that they describe.

The text tower lies in the file that open_clip published, beside its measures and its tokenizer.
"""

from __future__ import annotations

import html
import json
import os
import re
import string
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.encoders import hub
from core.encoders.base import unit_rows
from core.errors import UserError
from core.types import Progress, State
from core.weights import files as weights

if TYPE_CHECKING:
    import torch

    from core.encoders.nets.text_tower import Plan, TextTower

PACKAGE = "tokenizers"
CONFIG, TOKENIZER, SPECIAL = "open_clip_config.json", "tokenizer.json", "tokenizer_config.json"
BOTH_TOWERS = "open_clip_pytorch_model.bin"
"""The file with both towers; the hub is asked for its safetensors form first."""
LAST = "text"
"""What stands behind an encoder's name in the name of its text tower's folder."""
ENGLISH, MANY = "English", "many languages"
HELD = ("_made", "_lock")
MEASURES = {
    "context_length": "context",
    "vocab_size": "vocabulary",
    "width": "width",
    "heads": "heads",
    "layers": "layers",
    "mlp_ratio": "hidden",
    "pool_type": "pool",
    "eos_id": "eos",
    "proj_bias": "bias",
}
OTHERS = ("no_causal_mask", "norm_kwargs", "act_kwargs", "hf_tokenizer_name", "tokenizer_kwargs")
OWN_FILE = (
    "openai",
    "laion400m_e32",
    "metaclip_400m",
    "metaclip_2pt5b",
    "metaclip_altogether",
    "tinyclip_yfcc15m",
    "tinyclip_laion400m",
)
"""Tags whose repository of timm also holds open_clip's file."""
REPOSITORIES = {
    "vit_base_patch32_clip_224.laion2b": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "vit_base_patch32_clip_224.datacompxl": "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
    "vit_base_patch32_clip_256.datacompxl": "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
    "vit_base_patch16_clip_224.laion2b": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "vit_base_patch16_clip_224.datacompxl": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
    "vit_base_patch16_clip_224.dfn2b": "apple/DFN2B-CLIP-ViT-B-16",
    "vit_large_patch14_clip_224.laion2b": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "vit_large_patch14_clip_224.datacompxl": "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    "vit_large_patch14_clip_224.dfn2b": "apple/DFN2B-CLIP-ViT-L-14",
    "vit_large_patch14_clip_224.dfn2b_s39b": "apple/DFN2B-CLIP-ViT-L-14-39B",
    "vit_huge_patch14_clip_224.laion2b": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "vit_huge_patch14_clip_224.dfn5b": "apple/DFN5B-CLIP-ViT-H-14",
    "vit_huge_patch14_clip_378.dfn5b": "apple/DFN5B-CLIP-ViT-H-14-378",
    "vit_gigantic_patch14_clip_224.laion2b": "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    "vit_so400m_patch14_siglip_378.webli": "timm/ViT-SO400M-14-SigLIP-384",
}
"""Where open_clip published both towers of timm's network, by its pretrained table."""
BYTES = {
    "vit_base_patch16_clip_224.openai": 599 * 10**6,
    "vit_base_patch16_siglip_224.webli": 813 * 10**6,
}
SIGLIP = re.compile(r"vit_([a-z0-9]+)_patch(\d+)_siglip_(\d+)\.(v2_webli|webli|webli_i18n)")
SIZES = {"base": "B", "large": "L", "so400m": "SO400M", "giantopt": "gopt"}


def repository(name: str) -> str | None:
    """Where both towers of a network of timm were published; None where its vectors share no space
    with text, or nobody says where its text tower lies."""
    plain = name.replace("_clip_quickgelu_", "_clip_")
    if plain in REPOSITORIES:
        return REPOSITORIES[plain]
    if (found := SIGLIP.fullmatch(name)) and found[1] in SIZES:
        size, patch, side, tag = found.groups()
        version = "SigLIP2" if tag.startswith("v2") else "SigLIP"
        usual = "" if side == "224" else f"-{side}"
        many = "-i18n" if tag.endswith("i18n") else ""
        return f"timm/ViT-{SIZES[size]}-{patch}-{version}{many}{usual}"
    architecture, _, tag = plain.partition(".")
    if re.fullmatch(r"vit_[a-z]+_patch\d+_(plus_)?clip_\d+", architecture) and tag in OWN_FILE:
        return f"timm/{plain}"
    return None


def languages(name: str) -> str:
    """What the model's card says of the languages that its captions were in."""
    return MANY if name.endswith(("webli_i18n", "v2_webli")) else ENGLISH


@dataclass(frozen=True, slots=True)
class Made:
    """A text tower in memory, with its tokenizer and how texts are cleaned for it."""

    tower: TextTower
    tokenizer: Any
    clean: str

    def read(self, text: str) -> Any:
        """A text as tokens, cut and filled to what the tower reads."""
        return self.tokenizer.encode(cleaned(text, self.clean))


class Captions:
    """The text tower of a network of timm, downloaded when first asked.

    ``repo`` is where both towers were published, ``dim`` the length of the picture tower's vectors.
    """

    def __init__(self, name: str, repo: str, dim: int) -> None:
        self.name, self.repo, self.dim = name, repo, dim
        self.languages = languages(name)
        self._made: Made | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict:
        """Worker processes read no text: they get no weights."""
        return {key: None if key in HELD else value for key, value in self.__dict__.items()}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    @property
    def weights_name(self) -> str:
        """The name of the folder that the files lie in."""
        return f"{self.name}.{LAST}"

    def state(self) -> State:
        if find_spec(PACKAGE) is None:
            return State(
                "unavailable", f"{PACKAGE} is not installed: pip install -r requirements.txt"
            )
        home = weights.folder(self.weights_name)
        if all(os.path.isfile(home / file) for file in (CONFIG, TOKENIZER, SPECIAL)):
            return weights.state(self.weights_name, BYTES.get(self.name, 0))
        return State("download", "fetched on first use", BYTES.get(self.name, 0))

    def load(self, progress: Progress | None = None) -> None:
        """Read the text tower into memory, downloading it first where needed. Cheap to repeat.

        Raises:
            UserError: offline, damaged or foreign files, a tower that is not understood here.
            Cancelled: ``progress(done_bytes, total_bytes)`` said stop.
        """
        self._ready(progress)

    def _ready(self, progress: Progress | None = None) -> Made:
        with self._lock:
            if self._made is not None:
                return self._made
            if (state := self.state()).kind == "unavailable":
                raise UserError(f"{self.name} can't read text here.", fix=state.detail)
            for file in (CONFIG, TOKENIZER, SPECIAL):
                hub.fetch_beside(self.weights_name, self.repo, file, progress)
            path = hub.fetch(self.weights_name, self.repo, BOTH_TOWERS, progress)
            model = self._json(CONFIG, lambda held: dict(held["model_cfg"]))
            plan = planned(self.name, model, self.dim)
            tokenizer = self._read_tokenizer(plan)
            self._made = Made(self._built(plan, path), tokenizer, cleaning(model))
            return self._made

    def parameters(self) -> Iterable[torch.Tensor]:
        """The tensors that it holds in memory; none before it is loaded."""
        return () if self._made is None else self._made.tower.parameters()

    def encode(self, text: str) -> np.ndarray:
        """A text -> float32 (1, dim), unit length. Raises as :meth:`load`."""
        import torch

        made = self._ready()
        with torch.inference_mode():
            device = next(made.tower.parameters()).device
            tokens = torch.tensor([made.read(text).ids], device=device)
            found = made.tower(tokens).float().cpu().numpy()
        return unit_rows(found, self.weights_name)

    def cut(self, text: str) -> int:
        """Tokens that the tower reads of a text too long for it; else 0. Raises as :meth:`load`."""
        found = self._ready().read(text)
        return len(found.ids) if found.overflowing else 0

    def _read_tokenizer(self, plan: Plan):
        from tokenizers import Tokenizer

        special = self._json(SPECIAL, lambda held: held.get("pad_token"))
        pad = special.get("content") if isinstance(special, dict) else special
        path = weights.folder(self.weights_name) / TOKENIZER
        try:
            made = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing but Exception
            raise _damaged(path, error) from error
        number = made.token_to_id(pad) if pad else None
        made.enable_truncation(plan.context)
        made.enable_padding(length=plan.context, pad_id=number or 0, pad_token=pad or "")
        return made

    def _json(self, file: str, read):
        path = weights.folder(self.weights_name) / file
        try:
            return read(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error

    def _built(self, plan: Plan, path: Path) -> TextTower:
        import torch

        from core.encoders.nets.text_tower import TextTower
        from core.encoders.precision import placed

        held = weights.read(path, lambda name: not name.startswith(("visual.", "logit_")))
        state = {name.removeprefix("text."): value.float() for name, value in held.items()}
        state.pop("attn_mask", None)
        with torch.device("meta"):
            tower = TextTower(plan)
        try:
            tower.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise weights.misfit(path, self.weights_name, error) from error
        return placed(tower.eval().requires_grad_(False))


def planned(name: str, model: Mapping, dim: int) -> Plan:
    """The measures of a text tower from open_clip's record of the whole model.

    Raises:
        UserError: it asks for what is not built here, or its vectors are not as long as the
            pictures'.
    """
    from core.encoders.nets.text_tower import POOLS, Plan

    text = {
        key: value for key, value in dict(model.get("text_cfg") or {}).items() if value is not None
    }
    foreign = [key for key in text if key not in MEASURES and key not in OTHERS]
    kwargs, norm, act = (
        dict(text.get(key) or {}) for key in ("tokenizer_kwargs", "norm_kwargs", "act_kwargs")
    )
    foreign += [*(key for key in kwargs if key != "clean"), *(key for key in norm if key != "eps")]
    foreign += [key for key in act if key != "approximate"]
    if foreign or text.get("pool_type", "argmax") not in POOLS:
        raise UserError(
            f"The text tower of {name} can't be built here: it asks for"
            f" {', '.join(foreign) or text['pool_type']}.",
            fix="Choose another encoder that reads text.",
        )
    if model.get("embed_dim") != dim:
        raise UserError(
            f"The text tower of {name} gives {model.get('embed_dim')} dimensions, its picture tower"
            f" {dim}.",
            fix="Choose another encoder that reads text.",
        )
    act_name = "quick" if model.get("quick_gelu") else act.get("approximate", "gelu")
    return Plan(
        dim,
        **{here: text[there] for there, here in MEASURES.items() if there in text},
        causal=not text.get("no_causal_mask"),
        act="gelu" if act_name == "none" else act_name,
        eps=norm.get("eps", 1e-5),
    )


def cleaning(model: Mapping) -> str:
    """How texts are cleaned, from open_clip's record of the whole model."""
    text = model["text_cfg"]
    usual = "whitespace" if text.get("hf_tokenizer_name") else "lower"
    return (text.get("tokenizer_kwargs") or {}).get("clean", usual)


def cleaned(text: str, how: str) -> str:
    """A text as the tower's training saw it: entities of HTML as their characters, single spaces;
    ``lower`` and ``canonicalize`` in small letters, the latter without punctuation."""
    plain = " ".join(html.unescape(html.unescape(text)).split())
    if how == "canonicalize":
        bare = plain.replace("_", " ").translate(str.maketrans("", "", string.punctuation))
        return " ".join(bare.lower().split())
    return plain.lower() if how == "lower" else plain


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"The file {path} can't be read ({type(error).__name__}).",
        fix="Delete it and download it again.",
    )
