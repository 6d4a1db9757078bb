"""The errors of embeddings that are not there."""

from collections.abc import Sequence

from core.datasets.base import Dataset
from core.errors import UserError
from core.types import Skipped


def not_built(dataset: Dataset, name: str, changed: str = "") -> UserError:
    """The error for a search in what has not been built, or is no longer what was (``changed``,
    from :func:`core.services.embedding.embed.since`)."""
    return UserError(
        changed or f"{dataset.title or dataset.name} has no embeddings by {name} yet.",
        fix="Build them on the Library page.",
        command=(
            "Build them on the Library page, or with: python -m core build --dataset"
            f" {dataset.locator} --encoders {name}"
        ),
    )


def nothing_decoded(dataset: Dataset, skipped: Sequence[Skipped]) -> UserError:
    """The error of a build that found no picture to keep."""
    first = f" The first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
    return UserError(
        f"None of the {len(dataset.items)} pictures of {dataset.title or dataset.name} can be"
        f" used.{first}"
    )
