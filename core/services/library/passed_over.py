"""What readers and builds saw and did not use, with the reason: all else is used."""

from collections import Counter
from collections.abc import Collection, Sequence

from core.datasets.base import Dataset
from core.encoders.base import encoders
from core.encoders.imported import PREFIX, Imported
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.types import Skipped

NO_PICTURE = "no picture of the data set has this id"
NO_DIRECTION = "this vector has no direction: every number in it is zero"


def rows(dataset: Dataset, encoder: str | None = None) -> list[dict]:
    """``picture`` and ``reason`` of everything passed over: in listing, in finished builds (of one
    encoder, or of all), and vectors of the user's own that belong to no picture. Rare reasons come
    first: many hidden files hide nothing else.
    """
    if encoder is None:
        found = stored.skipped_in(dataset)
    else:
        found = bound(dataset, encoder).vectors().skipped
    unknown = [
        Skipped(one.id, f"{one.reason} ({own.name})")
        for own in brought()
        if own.source == dataset.locator and encoder in (None, own.name)
        for one in vectors(dataset, own.ids(), ())
    ]
    return _rarest_first([*dataset.skipped, *found, *unknown])


def reasons(listed: Sequence[dict]) -> list[tuple[str, int]]:
    """Each reason of ``rows`` with how often it is given, in the order of the rows."""
    return list(Counter(row["reason"] for row in listed).items())


def brought() -> list[Imported]:
    """The vectors that the user brought, for whatever dataset."""
    found = (encoders.get(name) for name in encoders.names() if name.startswith(PREFIX))
    return [one for one in found if isinstance(one, Imported)]


def vectors(dataset: Dataset, ids: Sequence[str], zeros: Collection[str]) -> tuple[Skipped, ...]:
    """Which vectors of these ids can't be used: those of no picture, and ``zeros``."""
    known = set(dataset.ids)
    return tuple(
        Skipped(id, NO_DIRECTION if id in known else NO_PICTURE)
        for id in ids
        if id not in known or id in zeros
    )


def _rarest_first(found: Sequence[Skipped]) -> list[dict]:
    often = Counter(one.reason for one in found)
    place = {reason: number for number, (reason, _) in enumerate(reversed(often.most_common()))}
    return [
        {"picture": one.id, "reason": one.reason}
        for one in sorted(found, key=lambda one: place[one.reason])
    ]
