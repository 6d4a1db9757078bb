"""The detector ``objects``: its training pictures, what it is taught, the loop, and its file.

Everything is a function of the settings: the n-th batch of composites is drawn from a seed of its
own, and a run goes on from its last whole file.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss

from core import store
from core.datasets.base import Dataset
from core.detectors.nets.objects import PLACES, SIDE, STAGES, Head, backbone, batch
from core.detectors.objects import peaks
from core.images import decode
from core.training import runs
from core.training.composites import Edges, Mixture, cut_out, drawn, overlap
from core.training.schedule import rate
from core.types import Item

HELD = 10
"""Every so many products and photographs are kept back for validation."""
BLOCK = 200
"""Composites in one file of maps."""
LEARNED = 0.5
"""Places whose target is at least this learn the edges of their box."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """``composites`` and ``validation`` are numbers of pictures; ``grounds`` of photographs, from
    each data set; ``epochs`` over all composites."""

    composites: int = 5000
    validation: int = 400
    grounds: int = 1500
    epochs: int = 10
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 1e-2
    seed: int = 0
    mixture: Mixture = field(default_factory=Mixture)


@dataclass(frozen=True, slots=True)
class Material:
    """What composites are made of; see :func:`core.training.composites.drawn`."""

    pieces: Sequence[np.ndarray]
    pictures: Sequence[tuple[np.ndarray, Edges]]
    grounds: Sequence[np.ndarray]


def material(
    catalogue: Dataset, photographs: Sequence[Dataset], settings: Settings, say: Say
) -> tuple[Material, Material]:
    """Products and photographs, decoded: to learn from, and others kept back."""
    items = [item for item in catalogue.items if item.split == "train"]
    products = sorted({str(item.instance) for item in items})
    kept = set(products[::HELD])
    sides = []
    for learning in (True, False):
        own = [item for item in items if (item.instance not in kept) == learning]
        pictures: list[Any] = [(decode(catalogue.read(item)), item.value("box")) for item in own]
        plain = [
            one
            for one, item in zip(pictures, own, strict=True)
            if item.value("backdrop") == "studio" and not int(str(item.value("prop")))
        ]
        pieces = [piece for image, box in plain if (piece := cut_out(image, box)) is not None]
        grounds = [
            decode(dataset.read(item))
            for dataset in photographs
            for item in _chosen(dataset, settings, learning)
        ]
        say(f"{len(pictures)} pictures, {len(pieces)} cut-outs, {len(grounds)} photographs")
        sides.append(Material(pieces, pictures, grounds))
    return sides[0], sides[1]


def _chosen(dataset: Dataset, settings: Settings, learning: bool) -> list[Item]:
    items = [item for item in dataset.items if item.split == "train"]
    order = np.random.default_rng(settings.seed).permutation(len(items))[: settings.grounds]
    return [items[row] for place, row in enumerate(order) if (place % HELD != 0) == learning]


def maps(
    folder: Path, made_of: Callable[[], Material], count: int, settings: Settings, say: Say
) -> tuple[list[torch.Tensor], list[list[Edges]]]:
    """``count`` composites as maps of the backbone, half precision, and their true boxes; blocks
    that are in ``folder`` are read."""
    blocks, boxes = [], []
    for number in range(-(-count // BLOCK)):
        path = folder / f"{number:04d}.npz"
        if not path.exists():
            store.make_folder(folder)
            _write_block(path, made_of(), settings, number)
            say(f"{folder.name}: {min((number + 1) * BLOCK, count)} of {count} composites")
        with np.load(path) as held:
            blocks.append([torch.from_numpy(held[f"stage{stage}"]) for stage in STAGES])
            boxes += [
                [tuple(box) for box in held["boxes"][held["rows"] == row].tolist()]
                for row in range(BLOCK)
            ]
    joined = [torch.cat([block[place] for block in blocks])[:count] for place in range(len(STAGES))]
    return joined, boxes[:count]


def _write_block(path: Path, found: Material, settings: Settings, number: int) -> None:
    draw = np.random.default_rng((settings.seed, number))
    made = [
        drawn(found.pieces, found.pictures, found.grounds, SIDE, draw, settings.mixture)
        for _ in range(BLOCK)
    ]
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, BLOCK, 20):
            pixels = batch([image for image, _ in made[start : start + 20]])
            parts.append([one.to(torch.float16) for one in backbone()(pixels)])
    stages = {
        f"stage{stage}": torch.cat([part[place] for part in parts]).contiguous().numpy()
        for place, stage in enumerate(STAGES)
    }
    rows = [row for row, (_, boxes) in enumerate(made) for _ in boxes]
    flat = np.array([box for _, boxes in made for box in boxes], np.float32)
    part = path.with_suffix(".part.npz")
    np.savez(part, boxes=flat, rows=np.array(rows), **stages)
    part.replace(path)


def targets(boxes: Sequence[Sequence[Edges]]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head is taught: heat (n, PLACES, PLACES), 1 at the place of a middle and falling off
    with the size of the box (Zhou et al., Objects as points, 2019), and the box of each place."""
    heat = torch.zeros(len(boxes), PLACES, PLACES)
    edges = torch.zeros(len(boxes), PLACES, PLACES, 4)
    places = torch.arange(PLACES) + 0.5
    for row, own in enumerate(boxes):
        for x0, y0, x1, y1 in own:
            x, y = ((x0 + x1) / 2 * PLACES, (y0 + y1) / 2 * PLACES)
            wide, high = max((x1 - x0) * PLACES / 8, 0.5), max((y1 - y0) * PLACES / 8, 0.5)
            x, y = min(int(x), PLACES - 1) + 0.5, min(int(y), PLACES - 1) + 0.5
            near = torch.exp(
                -((places[None, :] - x) ** 2) / (2 * wide**2)
                - (places[:, None] - y) ** 2 / (2 * high**2)
            )
            larger = near > heat[row]
            edges[row][larger] = torch.tensor([x0, y0, x1, y1], dtype=torch.float32)
            heat[row] = torch.maximum(heat[row], near)
    return heat, edges


def loss(
    logits: torch.Tensor, boxes: torch.Tensor, heat: torch.Tensor, edges: torch.Tensor
) -> torch.Tensor:
    """Focal loss of the heat, less strict near a middle (Zhou et al., 2019), and generalised IoU of
    the boxes there (Rezatofighi et al., 2019)."""
    middle = heat >= 1.0
    sure = logits.sigmoid()
    hit = functional.logsigmoid(logits) * (1 - sure) ** 2
    miss = functional.logsigmoid(-logits) * sure**2 * (1 - heat) ** 4
    count = middle.sum().clamp(min=1)
    centre = -(hit[middle].sum() + miss[~middle].sum()) / count
    near = heat >= LEARNED
    weights = heat[near]
    apart = generalized_box_iou_loss(boxes[near], edges[near])
    return centre + 2.0 * (apart * weights).sum() / weights.sum().clamp(min=1.0)


def train(
    head: Head,
    given: tuple[list[torch.Tensor], list[list[Edges]]],
    checking: tuple[list[torch.Tensor], list[list[Edges]]],
    settings: Settings,
    folder: Path,
    say: Say,
) -> dict:
    """All epochs, from the checkpoint in ``folder`` if any; the last one's validation."""
    stages, boxes = given
    count = len(boxes)
    steps_each = count // settings.batch
    steps = steps_each * settings.epochs
    chosen = torch.optim.AdamW(head.parameters(), settings.lr, weight_decay=settings.weight_decay)
    path, first, told = folder / "checkpoint.safetensors", 0, {}
    if path.exists():
        told = runs.load_checkpoint(path, {"head": head}, chosen)
        first = told["epoch"]
    for epoch in range(first, settings.epochs):
        head.train()
        order = np.random.default_rng((settings.seed, 1, epoch)).permutation(count)
        started, total = time.time(), 0.0
        for step in range(steps_each):
            rows = order[step * settings.batch : (step + 1) * settings.batch]
            now = rate(epoch * steps_each + step, steps, 0.05)
            for group in chosen.param_groups:
                group["lr"] = settings.lr * now
            heat, edges = targets([boxes[row] for row in rows])
            with torch.autocast("cpu", torch.bfloat16):
                logits, found = head(*(stage[rows].float() for stage in stages))
            value = loss(logits, found, heat, edges)
            chosen.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 5.0)
            chosen.step()
            total += float(value.detach())
        told = {"epoch": epoch + 1, "loss": total / steps_each, **validated(head, *checking)}
        runs.save_checkpoint(path, {"head": head}, chosen, told)
        say(json.dumps({**told, "seconds": round(time.time() - started)}))
    return told


def validated(head: Head, stages: list[torch.Tensor], boxes: list[list[Edges]]) -> dict:
    """Of the surest box of each picture: mean IoU with the nearest true box, and share above .5."""
    head.eval()
    shares = []
    with torch.inference_mode():
        for row, own in enumerate(boxes):
            logits, found = head(*(stage[row : row + 1].float() for stage in stages))
            first = peaks(logits[0].sigmoid().numpy(), found[0].numpy(), 0.0, 1)[0]
            shares.append(max(overlap(tuple(first[:4]), box) for box in own))
    got = np.array(shares)
    return {"IoU": round(float(got.mean()), 4), "above .5": round(float((got > 0.5).mean()), 4)}


def write(head: Head, folder: Path, card: dict, settings: Settings) -> None:
    """``weights.safetensors`` (matrices in half precision) and ``card.json``, there whole or not at
    all. Raises UserError where the disk is full."""
    from safetensors.torch import save_file

    with store.new_folder(folder) as made:
        path = made / "weights.safetensors"
        held = {
            key: (value.to(torch.float16) if value.ndim > 1 else value).contiguous()
            for key, value in head.state_dict().items()
        }
        save_file(held, path)
        path.chmod(0o644)
        told = {
            **card,
            "settings": asdict(settings),
            "sha256": store.digest(path),
            "bytes": path.stat().st_size,
            "parameters": sum(one.numel() for one in head.parameters()),
            "created": time.strftime("%Y-%m-%d"),
        }
        (made / "card.json").write_text(json.dumps(told, indent=1) + "\n")
