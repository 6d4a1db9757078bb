"""A probe over a map: real neighbours, and dots that only look near."""

import streamlit as st

from core.services.teaching import plane
from core.services.teaching.contests import Found
from pages.parts import cached_learn
from pages.parts.learn import dials, shown, widgets
from pages.parts.learn.predict import encoder_titles
from pages.parts.words import caption, quiet

ENCODERS = ("hog.8x8", "tf_efficientnet_lite0.in1k", "siamese.lookalike")
TITLES = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE"}
START = {"probe": (0.1, 0.1)}
FRAME = (-1.05, -1.05, 1.05, 1.05)
SIZE = (500, 460)


def measured() -> dict[str, str]:
    return {
        name: f"{cached_learn.ask('plane.plane', ENCODERS[1], name).trustworthiness:.3f}"
        for name in TITLES
    }


def live() -> None:
    titles = encoder_titles(ENCODERS)
    with st.container(horizontal=True, key="learn_dials"):
        projection = dials.choice("projection", "Projection", tuple(TITLES), "umap", TITLES.get)
        encoder = dials.pick("encoder", "Encoder", ENCODERS, ENCODERS[0], titles.get)
    found = cached_learn.ask("plane.plane", encoder, projection)
    x, y = dials.places("learn_map", START, FRAME)["probe"]
    probe = cached_learn.ask("plane.probe", encoder, projection, round(x, 2), round(y, 2))
    left, right = st.columns((6, 5), gap="medium")
    with left:
        _map(found, probe, projection)
    with right, st.container(key="learn_small"):
        _neighbours(found, probe)
    quiet(
        f"The whole map: trustworthiness {found.trustworthiness:.3f}, continuity"
        f" {found.continuity:.3f}."
    )


def _map(found: plane.Plane, probe: plane.Probe, projection: str) -> None:
    at = found.places[probe.row].tolist()
    false = [row for row in probe.shown if row not in probe.both]
    marks = [
        {"kind": "dots", "places": found.places.round(3).tolist(), "size": 1.6, "look": "faint"}
    ]
    for rows, look in ((false, "bad"), (probe.real, "good")):
        marks += [
            {"kind": "line", "from": at, "to": found.places[row].tolist(), "look": look}
            for row in rows
        ]
        places = [found.places[row].tolist() for row in rows]
        marks.append({"kind": "dots", "places": places, "size": 3.5, "look": look})
    handle = {
        "name": "probe",
        "at": at,
        "label": f"The probe, at {shown.name_of(found.ids[probe.row])}",
    }
    alt = f"{TITLES[projection]} of the gallery with the neighbours of one picture"
    widgets.sketch("learn_map", FRAME, [handle], marks, alt, SIZE)


def _neighbours(found: plane.Plane, probe: plane.Probe) -> None:
    id = found.ids[probe.row]
    with st.container(horizontal=True, key="learn_probe"):
        shown.query(id, shown.name_of(id))
        kept = len(probe.both)
        with st.container(width="stretch"):
            shown.figures(
                [
                    (f"{kept} of {len(probe.real)}", "real neighbours are near on the map"),
                    (f"{found.trust[probe.row]:.2f}", "trustworthiness of this dot"),
                ]
            )
    for title, rows, word in (
        ("Real neighbours (faded: far away on the map)", probe.real, "far"),
        ("Nearest dots (faded: false neighbours)", probe.shown, "false"),
    ):
        caption(title)
        hits = [_found(id, found, row, row not in probe.both) for row in rows]
        st.html(shown.hits_html(hits, missed=word))


def _found(own: str, found: plane.Plane, row: int, faded: bool) -> Found:
    return Found(found.ids[row], shown.verdict_of(own, found.ids[row]), faded)
