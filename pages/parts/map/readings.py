"""One sentence for each thing that a map shows, so that nobody reads more out of it than is in it."""

from __future__ import annotations

from collections.abc import Sequence

from pages.parts.map.shown import Shown, title
from pages.parts.map.view import MapView, projection_row


def of_maps(view: MapView, maps: Sequence[Shown]) -> str:
    """What distance means here, and which map lies least."""
    return f"{projection_row(maps[-1].found.wanted.projection)['reading']} {honest(maps)}"


def honest(maps: Sequence[Shown]) -> str:
    """``HSV keeps 3.4 of 10 real neighbours near, HOG 2.2.``"""
    k = maps[0].found.facts["k"]
    kept = sorted(((one.found.facts["kept"] * one.found.facts["k"], title(one.encoder)) for one in maps), reverse=True)
    first = f"Of {k} real neighbours, the map by {kept[0][1]} keeps {kept[0][0]:.1f} nearest"
    rest = ", ".join(f"that by {name} {number:.1f}" for number, name in kept[1:])
    return f"{first}{', ' + rest if rest else ''}."


def of_clusters(one: Shown, agreement, field: str) -> str:
    """Clusters against labels, in words."""
    count, thin = one.found.facts["clusters"], float((one.found.clusters < 0).mean())
    said = f"{count} dense groups on the map by {title(one.encoder)}; {thin:.0%} of the pictures stand in none."
    if agreement is None or not count:
        return said
    return (
        f"{said} Against {field}: adjusted Rand index {agreement.rand:.2f} (0 = chance, 1 = the same groups), "
        f"mutual information {agreement.information:.2f}, over {agreement.points:,} pictures."
    )


def of_movers(first: Shown, second: Shown, kept: float, k: int) -> str:
    """What the list of movers says."""
    return (
        f"From {title(first.encoder)} to {title(second.encoder)} these pictures change neighbourhoods most: of their {k} "
        f"nearest on the map they keep {kept:.1f} on average. Distance is in map radii, after turning one map onto the other."
    )
