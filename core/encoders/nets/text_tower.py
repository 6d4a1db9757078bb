"""The text tower of CLIP and SigLIP: a transformer over tokens, with the names of tensors that
open_clip gives them, so that published files load as they are."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

POOLS = ("first", "last", "argmax", "eos")


@dataclass(frozen=True, slots=True)
class Plan:
    """The measures of a text tower.

    ``pool`` says which token's output is the text's: the first, the last, the one with the largest
    number (``argmax``: CLIP's end of text) or the first that is ``eos``. ``bias``: whether the
    projection has one. ``act``: ``gelu``, ``tanh`` (GELU by tanh) or ``quick`` (x sigmoid(1.702 x),
    as OpenAI trained with).
    """

    dim: int
    context: int = 77
    vocabulary: int = 49408
    width: int = 512
    heads: int = 8
    layers: int = 12
    hidden: float = 4.0
    causal: bool = True
    pool: str = "argmax"
    eos: int = 2
    bias: bool = False
    act: str = "gelu"
    eps: float = 1e-5


class QuickGELU(nn.Module):
    """GELU as the first CLIP was trained with."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * torch.sigmoid(1.702 * values)


class Block(nn.Module):
    """Attention, then two layers, each behind a normalisation and around a shortcut."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(plan.width, plan.eps)
        self.attn = nn.MultiheadAttention(plan.width, plan.heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(plan.width, plan.eps)
        inner = int(plan.width * plan.hidden)
        layers = [
            ("c_fc", nn.Linear(plan.width, inner)),
            ("gelu", _activation(plan.act)),
            ("c_proj", nn.Linear(inner, plan.width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        seen = self.ln_1(values)
        values = values + self.attn(seen, seen, seen, need_weights=False, attn_mask=mask)[0]
        return values + self.mlp(self.ln_2(values))


class Blocks(nn.Module):
    """The blocks one after another, under the name that files give them."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(plan) for _ in range(plan.layers))


class TextTower(nn.Module):
    """Tokens int64 (n, context) -> float (n, dim) in the space that the picture tower shares, not
    normalised (Radford et al., 2021; Zhai et al., 2023)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.token_embedding = nn.Embedding(plan.vocabulary, plan.width)
        self.positional_embedding = nn.Parameter(torch.empty(plan.context, plan.width))
        self.transformer = Blocks(plan)
        self.ln_final = nn.LayerNorm(plan.width, plan.eps)
        self.text_projection = (
            nn.Linear(plan.width, plan.dim)
            if plan.bias
            else nn.Parameter(torch.empty(plan.width, plan.dim))
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        values = self.token_embedding(tokens) + self.positional_embedding
        mask = None
        if self.plan.causal:  # a token sees those before it
            size = len(self.positional_embedding)
            mask = torch.full((size, size), -torch.inf, device=values.device).triu(1)
        for block in self.transformer.resblocks:
            values = block(values, mask)
        pooled = self.ln_final(values)[torch.arange(len(tokens)), self._place(tokens)]
        if self.plan.bias:
            return self.text_projection(pooled)
        return pooled @ self.text_projection

    def _place(self, tokens: torch.Tensor) -> torch.Tensor:
        """Which token of each text is pooled, int64 (n)."""
        if self.plan.pool == "argmax":
            return tokens.argmax(dim=1)
        if self.plan.pool == "eos":
            return (tokens == self.plan.eos).int().argmax(dim=1)
        return torch.full_like(tokens[:, 0], 0 if self.plan.pool == "first" else -1)


def _activation(name: str) -> nn.Module:
    if name == "quick":
        return QuickGELU()
    return nn.GELU(approximate="tanh" if name == "tanh" else "none")
