"""Where each patch of a vision transformer looks: the attention of its blocks and heads."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.embedding.bound import bound
from core.services.teaching import pictures

ENCODER = "vit.lookalike"


@dataclass(frozen=True, slots=True)
class Attention:
    """Attention of one picture: ``weights`` float32 (blocks, heads, patches, patches), each row
    sums to 1; patches lie in a grid of ``side`` x ``side``, row by row from the top left."""

    weights: np.ndarray
    side: int

    def of(self, block: int, head: int | None, patch: int) -> np.ndarray:
        """Where a patch looks, (side, side), sum 1; mean over heads where ``head`` is None."""
        rows = self.weights[block, :, patch]
        row = rows.mean(axis=0) if head is None else rows[head]
        return row.reshape(self.side, self.side)


def attention(dataset: Dataset, item_id: str) -> Attention:
    """The attention of every block for a picture of the gallery. Raises UserError."""
    network = bound(dataset, ENCODER).loaded()
    weights = weights_of(network, pictures.image_of(dataset, item_id))
    side = round(weights.shape[-1] ** 0.5)
    return Attention(weights, side)


def weights_of(network: Any, image: np.ndarray) -> np.ndarray:
    """softmax(q k^T / sqrt(d)) of each block and head, float32 (blocks, heads, n, n)."""
    import torch

    blocks = getattr(network.model.backbone, "blocks", None)
    if blocks is None:
        raise UserError(f"{network.name} has no blocks of attention.")
    caught: list[torch.Tensor] = []
    hooks = [
        block.attn.qkv.register_forward_hook(lambda _, __, out: caught.append(out.detach()))
        for block in blocks
    ]
    try:
        with torch.inference_mode():
            network.model.backbone.forward_features(network._input([network.prepare(image)]))
    finally:
        for hook in hooks:
            hook.remove()
    made = [_weights(qkv, block.attn) for qkv, block in zip(caught, blocks, strict=True)]
    return np.stack(made)


def _weights(qkv, attn) -> np.ndarray:
    import torch

    _, count, wide = qkv.shape
    parts = qkv.reshape(1, count, 3, attn.num_heads, wide // 3 // attn.num_heads)
    query, key, _ = parts.permute(2, 0, 3, 1, 4).float().unbind(0)
    with torch.inference_mode():
        scores = attn.q_norm(query) @ attn.k_norm(key).transpose(-2, -1) * attn.scale
        return scores.softmax(dim=-1)[0].cpu().numpy()


def looks(
    dataset: Dataset, item_id: str, block: int, head: int, patch: int
) -> tuple[bytes, np.ndarray]:
    """A picture as WebP, bright where ``patch`` looks in a block and head (-1: the mean of all
    heads), and the weights (side, side). Raises UserError."""
    found = attention(dataset, item_id)
    values = found.of(block, None if head < 0 else head, patch)
    image = pictures.image_of(dataset, item_id)
    return pictures.lit(image, values / values.max(), 320), values


def shape(dataset: Dataset) -> tuple[int, int, int]:
    """Blocks, heads, and patches on a side. Raises UserError."""
    found = attention(dataset, dataset.items[0].id)
    return found.weights.shape[0], found.weights.shape[1], found.side
