"""A picture that is changed, and the encoders that still find it."""

import streamlit as st

from core.services.teaching import pictures
from pages.parts import cached, cached_learn
from pages.parts.cached_learn import gallery, means
from pages.parts.learn import dials, shown
from pages.parts.words import caption, quiet

ENCODERS = ("tiny.16x16", "hsv.12x4x4", "phash.16x16", "hog.8x8")
FACTS = {"tiny": "tiny.16x16", "hsv": "hsv.12x4x4", "phash": "phash.16x16", "hog": "hog.8x8"}


def measured() -> dict[str, str]:
    """hit@1 of each encoder over all queries of the gallery."""
    return {name: f"{mean} of queries" for name, mean in means(FACTS).items()}


def live() -> None:
    queries = list(cached.examples(*gallery(), 10))
    titles = {name: row[0] for name, row in pictures.CHANGES.items()}
    with st.container(horizontal=True, key="learn_dials"):
        query = dials.pick("query", "Picture", queries, queries[-1], shown.name_of)
        kind = dials.pick("change", "What changes", tuple(titles), pictures.MOVE, titles.get)
        share = dials.number("strength", "Strength, % of the most", 0, 100, 30, 5) / 100
    found = cached_learn.ask("pixels.kept", query, kind, share, ENCODERS)
    seen = cached_learn.ask("pixels.seen", query, kind, share)
    left, right = st.columns((4, 6), gap="medium")
    with left:
        _seen(query, kind, share, seen)
    with right:
        alive = sum(one.rank == 1 for one in found)
        find = "finds" if alive == 1 else "find"
        shown.said(f"{alive} of {len(found)} encoders still {find} the picture at rank 1.")
        shown.bars(
            [
                (
                    one.encoder,
                    max(one.cosine, 0.0),
                    f"{one.cosine:.3f}",
                    f"the unchanged picture is found at rank {one.rank:,}",
                )
                for one in found
            ]
        )
        quiet("Bars: cosine of the changed and the unchanged picture. Ranks: among all pictures.")


def _seen(query: str, kind: str, share: float, seen) -> None:
    title, unit, none, most = pictures.CHANGES[kind]
    told = f"{title}: {none + share * (most - none):.0f} {unit}"
    name = shown.name_of(query)
    pair = [
        shown.figure(cached.data_uri(seen.picture), f"{name}, changed", caption=told),
        shown.figure(
            cached.data_uri(seen.tiny), f"{name}, tiny", caption="what the tiny image sees"
        ),
    ]
    st.html(f'<div class="learn-pair">{"".join(pair)}</div>')
    caption("What the histogram holds: the commonest colours")
    most_common = max((part for _, part in seen.colours), default=1.0)
    rows = "".join(
        f'<i style="height:{100 * part / most_common:.0f}%;background:rgb{colour}"'
        f' title="{part:.1%}"></i>'
        for colour, part in seen.colours
    )
    st.html(f'<div class="learn-colours" role="img" aria-label="Commonest colours">{rows}</div>')
