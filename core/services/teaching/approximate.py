"""How many neighbours an index keeps as its knob is turned."""

from collections.abc import Mapping

from core.datasets.base import Dataset
from core.services.teaching.contests import FEWER, Contender, candidates, mean_kept

KNOBS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "ivf_flat": ("nprobe", (1, 2, 4, 8, 16, 32)),
    "hnsw:M=4": ("efSearch", (1, 4, 8, 16, 32, 64)),
    "lsh:rerank=1": ("bits", (32, 64, 128, 256, 512, 1024, 2048)),
}
"""Index -> the knob that a lesson turns, and its stops."""


def spec(index: str, value: int) -> str:
    """``ivf_flat:nprobe=4``: an index with its knob at ``value``."""
    knob = KNOBS[index][0]
    return f"{index}{',' if ':' in index else ':'}{knob}={value}"


def swept(dataset: Dataset, encoder: str, index: str, k: int = 10) -> tuple[float, ...]:
    """Mean recall@k over a lesson's queries, at each stop of the knob. Raises UserError."""
    asked = candidates(dataset)[:FEWER]
    return tuple(
        mean_kept(dataset, Contender(encoder, spec(index, value)), asked, k)
        for value in KNOBS[index][1]
    )


def recall(dataset: Dataset, encoder: str, index: str, k: int = 10) -> float:
    """Mean recall@k of one setting over the queries of a lesson. Raises UserError."""
    return mean_kept(dataset, Contender(encoder, index), candidates(dataset)[:FEWER], k)
