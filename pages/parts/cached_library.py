"""Caches of the Library page: how far each data set has come, and what of it lies on the disk."""

from collections.abc import Mapping

from core import items
from core.errors import UserError
from core.services import journey
from core.services.evaluation import latency
from core.services.library import changing, library
from pages.parts import cached
from pages.parts import caches as shared


@shared.data(max_entries=2, ttl=cached.SHORT)
def caches() -> dict[str, list[Mapping]]:
    """Cache entries by the locator of their data set, what is unused for longest first."""
    return journey.grouped(cached.cache_rows())


@shared.data(max_entries=100, ttl=cached.SHORT)
def evaluated(locator: str, version: str) -> journey.Evaluated | None:
    """The newest report about a data set."""
    return journey.evaluated(cached.dataset(locator))


@shared.data(max_entries=100, ttl=cached.SHORT)
def trained_on(locator: str) -> list[str]:
    return journey.trained_on(locator)


@shared.data(max_entries=100)
def labelled(locator: str, version: str) -> bool:
    return journey.has_labels(cached.dataset(locator))


def built(locator: str, version: str) -> list[str]:
    """Encoders that are built for a data set, the best first."""
    return cached.built_best_first(locator, version)


@shared.data(max_entries=100, ttl=cached.SHORT)
def behind(locator: str, version: str) -> list[str]:
    """Encoders that were built for other pictures of a data set than it holds now."""
    there = cached.built_best_first(locator, version)
    return [name for name in changing.built(locator) if name not in there]


@shared.data(max_entries=100)
def since_built(locator: str, version: str, encoder: str) -> str:
    """What came, went or changed since an encoder was built, in words."""
    return changing.since_built(cached.dataset(locator), encoder).words


@shared.data(max_entries=100, ttl=cached.LONG)
def evaluation_seconds(locator: str, version: str, encoders: tuple[str, ...]) -> float | None:
    """About how long an evaluation of these encoders takes."""
    there = built(locator, version)
    try:
        return latency.estimate(cached.dataset(locator), encoders, there, cached.build_times())
    except UserError:
        return None


@shared.data(max_entries=100)
def class_sizes(locator: str, version: str) -> dict[str, int]:
    """Category (else label) -> how many pictures it has, by name; empty where there are none."""
    return dict(sorted(items.classes(cached.dataset(locator).items).counts().items()))


@shared.data(max_entries=60, ttl=cached.LONG)
def skipped(locator: str, version: str) -> list[dict]:
    """Everything that was passed over, with the reason. Raises UserError."""
    return library.skipped_rows(locator)


cached.FOLLOW_BUILDS.extend((caches, behind, evaluated, trained_on, evaluation_seconds, skipped))
