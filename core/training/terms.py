"""The sum of a recipe's losses. Imports torch: import it where training starts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from core.training.losses import LOSSES, needs, parse_terms
from core.training.settings import Settings

TEMPERATURE = 0.1
"""Of similarities that a pupil takes over: the nearest third of a batch has the weight."""


class Terms(nn.Module):
    """The sum of all terms of a recipe, with parameters of their own (proxies, projections)."""

    def __init__(self, settings: Settings, class_counts: Sequence[int], teacher_dim: int) -> None:
        super().__init__()
        self.terms, self.class_counts = parse_terms(settings.loss), tuple(class_counts)
        made = {
            name: [LOSSES[name].make(settings, count) for count in class_counts]
            for _, name in self.terms
        }
        self.losses = nn.ModuleDict(
            {
                name: nn.ModuleList([loss for loss, _ in each])
                for name, each in made.items()
                if LOSSES[name].kind == "labels"
            }
        )
        self.miners = {name: [miner for _, miner in each] for name, each in made.items()}
        self.between_views = {
            name: each[0][0] for name, each in made.items() if LOSSES[name].kind == "views"
        }
        self.projector: Any = _projector(settings) if needs(settings, "views") else None
        if teacher_dim not in (0, settings.dim):
            self.to_teacher = nn.Linear(settings.dim, teacher_dim, bias=False)
        else:
            self.to_teacher = None
        weights = torch.tensor(settings.taught) if settings.taught and teacher_dim else None
        self.register_buffer("taught", weights, persistent=False)
        self.register_buffer("taught_mean", torch.zeros(teacher_dim) if teacher_dim else None)
        self.register_buffer(
            "taught_steps", torch.zeros((), dtype=torch.int64) if teacher_dim else None
        )

    def forward(self, embeddings: torch.Tensor, batch: dict) -> torch.Tensor:
        """Weighted sum; ``batch`` holds ``labels`` and ``source`` (n,), and ``second``, ``drawn``,
        ``target``, ``taught``."""
        total = embeddings.new_zeros(())
        for weight, name in self.terms:
            total = total + weight * getattr(self, "_" + LOSSES[name].kind)(name, embeddings, batch)
        return total

    def _labels(self, name: str, embeddings: torch.Tensor, batch: dict) -> torch.Tensor:
        """Each dataset's pictures with one another only: cats of two are no strangers."""
        total = embeddings.new_zeros(())
        for position, loss in enumerate(self.losses[name]):
            here = batch["source"] == position
            if not LOSSES[name].pairs:  # a classifier knows no recoloured classes
                here = here & (batch["labels"] < self.class_counts[position])
            miner = self.miners[name][position]
            own = embeddings[here]
            labels = batch["labels"][here]
            value = loss(own, labels) if miner is None else loss(own, labels, miner(own, labels))
            total = total + value * here.float().mean()
        return total

    def _views(self, name: str, embeddings: torch.Tensor, batch: dict) -> torch.Tensor:
        loss = self.between_views[name]
        first = self.projector(embeddings)
        second = self.projector(batch["second"])
        return loss(first, ref_emb=second) if name == "vicreg" else loss(first, second)

    def _draw(self, name: str, embeddings: torch.Tensor, batch: dict) -> torch.Tensor:
        return nn.functional.mse_loss(batch["drawn"].float(), batch["target"])

    def _teacher(self, name: str, embeddings: torch.Tensor, batch: dict) -> torch.Tensor:
        """1 - cosine to the teacher's vector, and how unlike the two rank the rest of the batch
        (:func:`ranked_unlike`).

        The teacher's mean is taken away first: what all pictures share says nothing, and fills most
        of a cosine.
        """
        own = self.to_teacher(embeddings) if self.to_teacher is not None else embeddings
        taught = nn.functional.normalize(self._centred(batch["taught"]))
        near = 1.0 - (nn.functional.normalize(own) * taught).sum(dim=1)
        each = near + ranked_unlike(nn.functional.normalize(embeddings), taught)
        return (
            (each * self.taught[batch["source"]]).mean() if self.taught is not None else each.mean()
        )

    @torch.no_grad()
    def _centred(self, taught: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.taught_steps += 1
            self.taught_mean.lerp_(taught.mean(dim=0), max(0.01, 1.0 / float(self.taught_steps)))
        return taught - self.taught_mean


def ranked_unlike(own: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence (n,) between two softmaxes over the similarities of each row to
    all others of the batch.

    What a search sees is who is near whom; a teacher passes that on without any head in between
    (Koohpayegani et al., 2020).

    Args:
        own, taught: unit rows, (n, dim) each with its own dim; n >= 2.
    """
    alone = torch.eye(len(own), dtype=torch.bool, device=own.device)
    mine, wanted = (
        nn.functional.log_softmax((one @ one.T / TEMPERATURE).masked_fill(alone, -1e4), dim=1)
        for one in (own, taught)
    )
    return nn.functional.kl_div(mine, wanted, reduction="none", log_target=True).sum(dim=1)


def _projector(settings: Settings) -> nn.Module:
    """The head that the two-view losses see, thrown away later (Chen et al., 2020)."""
    wide = 2 * settings.dim
    return nn.Sequential(
        nn.Linear(settings.dim, wide),
        nn.BatchNorm1d(wide),
        nn.ReLU(),
        nn.Linear(wide, settings.dim),
    )
