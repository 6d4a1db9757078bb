"""One sentence for each thing that a map shows, so that nobody reads more out of it than is in
it."""

from collections.abc import Sequence

from pages.parts.map.shown import Shown, title
from pages.parts.map.view import MapView, projection_row
from pages.parts.words import count


def of_maps(view: MapView, maps: Sequence[Shown]) -> str:
    """What distance means here, and how many neighbours each map keeps."""
    return f"{projection_row(maps[-1].found.wanted.projection)['reading']} {kept(maps)}"


def kept(maps: Sequence[Shown]) -> str:
    """``Of 10 nearest neighbours in the space, the map by HSV keeps 3.4, that by HOG 2.2.``"""
    k = maps[0].found.facts["k"]
    shares = sorted(
        ((one.found.facts["kept"] * one.found.facts["k"], title(one.encoder)) for one in maps),
        reverse=True,
    )
    first = (
        f"Of {k} nearest neighbours in the space, the map by {shares[0][1]} keeps"
        f" {shares[0][0]:.1f}"
    )
    rest = ", ".join(f"that by {name} {number:.1f}" for number, name in shares[1:])
    return f"{first}{', ' + rest if rest else ''}."


def of_clusters(one: Shown, agreement, field: str) -> str:
    """Clusters against labels, in words."""
    clusters, thin = one.found.facts["clusters"], float((one.found.clusters < 0).mean())
    said = (
        f"{count(clusters, 'cluster')} on the map by {title(one.encoder)}; {thin:.0%} of the"
        " pictures are in none."
    )
    if agreement is None or not clusters:
        return said
    return (
        f"{said} Against {field}: adjusted Rand index {agreement.rand:.2f} (0 = chance, 1 = the"
        f" same groups), normalised mutual information {agreement.information:.2f}, over"
        f" {count(agreement.points, 'picture')}."
    )


def of_movers(first: Shown, second: Shown, kept: float, k: int) -> str:
    """What the list of movers says."""
    return (
        f"From {title(first.encoder)} to {title(second.encoder)} these pictures change"
        f" neighbourhoods most: of their {k} nearest on the map they keep {kept:.1f} on average."
        " Distance is in map radii, after turning one map onto the other."
    )
