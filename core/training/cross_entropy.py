"""Cross-entropy of cosines. Imports torch: import it where training starts."""

import torch
from torch import nn

from core.training.settings import Settings


class CosineCrossEntropy(nn.Module):
    """Cross-entropy of scaled cosines (Zhai, Wu, 2019), with smoothed labels."""

    def __init__(self, settings: Settings, classes: int) -> None:
        super().__init__()
        self.scale, self.smoothing = settings.scale, settings.smoothing
        self.weight = nn.Parameter(
            nn.init.orthogonal_(nn.Linear(settings.dim, classes).weight.detach())
        )

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        cosines = nn.functional.normalize(embeddings) @ nn.functional.normalize(self.weight).T
        return nn.functional.cross_entropy(
            self.scale * cosines, labels, label_smoothing=self.smoothing
        )
