"""Why a hit was found: made when the board stands, kept for the session, and sent to the board.
Numbers, words, and pictures as addresses of themselves."""

import numpy as np
import streamlit as st

from core import images
from core.errors import UserError
from core.explainers.base import (
    Bits,
    Block,
    Dots,
    Drawings,
    Explainer,
    Histogram,
    Lines,
    Links,
    Map,
    Swatch,
)
from core.services.explaining.explain import Explained
from core.services.search.result import SearchResult
from core.services.search.together import TOGETHER
from pages.parts import cached, link, why
from pages.parts.answers import Gathered
from pages.parts.beside import ALONE
from pages.parts.cached import data_uri
from pages.parts.guard import guarded
from pages.parts.link import View

SIDE = 640
ENLARGED = 128
"""Pictures of fewer pixels are sent enlarged, so that compression leaves each pixel as it is."""
STEPS = 255


def plain(found: Explained, methods: list[Explainer]) -> dict:
    """What the panel needs: ``methods`` to choose from, the maps on both pictures, and the rest."""
    made = found.explanation
    return {
        "method": made.method,
        "methods": [[one.name, one.title, one.about] for one in methods],
        "score": found.words,
        "about": made.about,
        "facts": [list(pair) for pair in made.facts],
        "remarks": list(found.remarks),
        "weak": found.deletion is not None and not found.deletion.better,
        "query": _side(found.pictures[0], made.query),
        "hit": _side(found.pictures[1], made.hit),
        "links": made.links and _links(made.links, made.exact),
        "blocks": [_block(block) for block in made.blocks],
    }


def _side(image: np.ndarray, found: Map | None) -> dict:
    height, width = image.shape[:2]
    side = {"uri": data_uri(images.thumbnail(image, SIDE)), "wide": width, "high": height}
    if found is None or found.empty:
        return side
    rows, columns = found.values.shape
    marks = {
        "rows": rows,
        "columns": columns,
        "box": list(found.box),
        "values": _steps(found.values),
    }
    return {**side, "map": marks}


def _steps(values: np.ndarray) -> list[int]:
    return np.rint(STEPS * np.clip(values, 0.0, 1.0)).astype(int).ravel().tolist()


def _links(links: Links, exact: bool) -> dict:
    """Pairs of positions, each 0..255 of the strongest one; where they sum to the score, ``whole``
    is what 255 stands for, as a share of it."""
    most = max(float(links.values.max()), 1e-9)
    return {
        "query": list(links.query),
        "hit": list(links.hit),
        "values": _steps(links.values / most),
        "whole": most / max(float(links.values.sum()), 1e-9) if exact else None,
    }


def _block(block: Block) -> dict:
    if isinstance(block, Drawings):
        drawn = [[caption, _drawn(image)] for caption, image in block.pictures]
        return {"kind": "drawings", "title": block.title, "pictures": drawn}
    if isinstance(block, Lines):
        ends = np.round(np.hstack([block.query, block.hit]), 4).tolist()
        kept = [bool(one) for one in block.kept]
        return {"kind": "lines", "ends": ends, "kept": kept}
    if isinstance(block, Dots):
        return _dots(block)
    if isinstance(block, Histogram):
        return _histogram(block)
    return _bits(block) if isinstance(block, Bits) else _swatches(block)


def _drawn(image: np.ndarray) -> str:
    factor = -(-ENLARGED // max(image.shape[:2]))
    return data_uri(images.thumbnail(image.repeat(factor, 0).repeat(factor, 1), 2 * ENLARGED))


def _dots(block: Dots) -> dict:
    def side(points: np.ndarray, groups: np.ndarray) -> list[list[float]]:
        return [
            [round(float(x), 4), round(float(y), 4), int(group)]
            for (x, y), group in zip(points, groups, strict=True)
            if group >= 0
        ]

    return {
        "kind": "dots",
        "query": side(block.query, block.query_groups),
        "hit": side(block.hit, block.hit_groups),
        "names": list(block.names),
    }


def _histogram(block: Histogram) -> dict:
    return {
        "kind": "histogram",
        "most": float(block.edges[-1]),
        "same": np.round(block.same, 5).tolist(),
        "different": np.round(block.different, 5).tolist(),
        "value": block.value,
        "threshold": block.threshold,
        "noun": block.noun,
    }


def _bits(block: Bits) -> dict:
    bands = None if block.bands is None else [bool(one) for one in block.bands]
    return {
        "kind": "bits",
        "equal": [bool(one) for one in block.equal],
        "bands": bands,
        "rows": block.rows,
    }


def _swatches(block: tuple[Swatch, ...]) -> dict:
    rows = [
        {
            "colour": "#{:02x}{:02x}{:02x}".format(*one.colour),
            "query": one.query,
            "hit": one.hit,
            "score": one.score,
        }
        for one in block
    ]
    return {"kind": "swatches", "rows": rows}


OUTCOMES = "why_outcomes"
MAX_OUTCOMES = 40
_GONE = "The picture that the link explains is not among the hits shown."
_BESIDE = "Explained for the query's picture alone, without what is asked with beside it."


def sent(view: View) -> dict:
    """What the board gets: what is ``open``, what is ``known`` of it, and what the buttons say."""
    asked = why.now()
    known = _outcomes().get(_key(view, asked)) if asked else None
    return {"open": asked.text if asked else "", "known": known}


def work(view: View, found: Gathered) -> bool:
    """Make the open explanation, once the encoder has answered; whether there is a new one."""
    asked = why.now()
    answer = _answer(found, asked)
    if asked is None or answer is None:
        return False
    if all(asked.hit != hit.id for hit in answer.hits):
        st.session_state[link.REMARKS] = [_GONE]
        why.clear()
        return True
    if _key(view, asked) in _outcomes():
        return False
    try:
        made = guarded(lambda: _explained(view, asked), asked.encoder)
    except UserError as error:
        made = {
            "key": asked.text,
            "failed": error.given,
            "message": " ".join(part for part in (error.allowed, error.fix) if part),
        }
    known = _outcomes()
    known[_key(view, asked)] = made
    while len(known) > MAX_OUTCOMES:
        known.pop(next(iter(known)))
    return True


def _answer(found: Gathered, asked: why.Asked | None) -> SearchResult | None:
    """The list that the explained hit stands in; None while it is still to come."""
    if asked is None:
        return None
    return found.together if asked.encoder == TOGETHER else found.answers.get(asked.encoder)


def _explained(view: View, asked: why.Asked) -> dict:
    if asked.encoder == TOGETHER:
        raise UserError(
            "The encoders found this together: it has no reason of its own.",
            fix="Open the picture in the column of one of them, which says why.",
        )
    if view.asked.words_alone:
        raise UserError(
            "The query is words, not a picture: regions can't be matched.",
            fix="Ask with a picture to see why a hit was found.",
        )
    version = cached.version(view.dataset)
    explained, methods = cached.explanation(
        view.dataset,
        version,
        view.query,
        asked.encoder,
        asked.hit,
        asked.method,
        view.index,
        view.box,
        view.reranker(asked.encoder),
    )
    told = {"key": asked.text, **plain(explained, methods)}
    if view.asked != ALONE:
        told["remarks"] = [_BESIDE, *told["remarks"]]
    return told


def _outcomes() -> dict:
    return st.session_state.setdefault(OUTCOMES, {})


def _key(view: View, asked: why.Asked) -> tuple:
    version = cached.version(view.dataset)
    ways = view.box, view.asked, view.index, view.reranker(asked.encoder)
    return view.dataset, version, view.query, *ways, asked.text
