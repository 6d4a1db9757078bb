"""Approximation loss: vectors made smaller and searched faster, a stage at a time."""

import json
from dataclasses import asdict
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.indexes.base import indexes
from core.services.embedding import galleries, stored
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import digest, protocol_named
from core.services.hardware import processor
from core.services.index_lab.space import QUERIES, causes, check_k, open_space
from core.services.index_lab.stage_run import CODES, Chain, Loss, Stage, Waterfall, run
from core.services.specs import index_spec
from core.types import Progress

KIND = "waterfalls"
VERSION = 3
MOST_RERANK = 100


def waterfall(
    dataset: Dataset,
    encoder: str,
    chain: Chain | None = None,
    k: int = 10,
    protocol: str | None = None,
    progress: Progress | None = None,
) -> Waterfall:
    """Measure the stages, or read what was measured. ``progress`` counts stages.

    Raises:
        UserError: unknown names, a stage that these vectors can't pass (with the number needed),
            embeddings not built.
        Cancelled: ``progress`` said stop.
    """
    chain = chain or Chain()
    _check(chain, k)
    spec, ready = (index_spec(chain.index), with_vectors(dataset, encoder).encoder)
    judged = protocol_named(dataset, protocol)
    items = stored.item_rows(dataset, stored.read(dataset, ready))
    made = {
        **asdict(chain),
        "index": indexes.get(spec.name).fingerprint(**spec.build),
        "search": dict(spec.search),
    }
    about = {
        **causes(dataset, ready),
        "chain": made,
        "k": k,
        "roles": digest(items, judged),
        "protocol": judged.name,
        "hardware": processor(),
        "waterfall": VERSION,
    }

    def write(folder: Path) -> dict:
        space = open_space(dataset, encoder, QUERIES, progress=progress)
        (folder / "waterfall.json").write_text(
            json.dumps(asdict(run(space, items, judged, chain, spec, k, progress)))
        )
        return dataset.owned(encoder, index=chain.index)

    return store.kept(KIND, about, write, _read, progress)


def most_pca(dataset: Dataset, encoder: str) -> int:
    """To how many dimensions PCA can reduce the vectors of a gallery: as many as they have, or as
    there are pictures.

    Raises:
        UserError: the embeddings are not built.
    """
    found = with_vectors(dataset, encoder).vectors()
    return min(
        len(galleries.gallery_rows(dataset, found, dataset.protocol())), int(found.vectors.shape[1])
    )


def _check(chain: Chain, k: int) -> None:
    check_k(k)
    if not 0 <= chain.rerank <= MOST_RERANK:
        raise UserError(
            f"rerank = {chain.rerank} was given.",
            f"It is 0 (none) to {MOST_RERANK} candidates for each hit.",
        )
    if chain.code not in CODES:
        raise UserError(f"There is no code {chain.code!r}.", f"Known: {', '.join(CODES)}.")
    if chain.pca < 0 or chain.pq_bytes < 0:
        raise UserError(
            f"pca = {chain.pca} and pq_bytes = {chain.pq_bytes} were given.", "They are 0 or more."
        )


def _read(folder: Path) -> Waterfall:
    noted = json.loads((folder / "waterfall.json").read_text())
    stages = tuple(
        Stage(**{**one, "lost": tuple(Loss(**lost) for lost in one["lost"])})
        for one in noted.pop("stages")
    )
    return Waterfall(**{**noted, "chain": Chain(**noted["chain"])}, stages=stages)
