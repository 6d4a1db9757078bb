"""What a link says, checked: each parameter becomes a value that can be shown, else the default and
a remark."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import UserError
from core.services.embedding.opening import FIRST_DATASET, FIRST_ENCODERS, FIRST_INDEX
from core.services.hosting.ownership import is_visitor
from core.services.naming import split_names
from core.services.specs import index_spec
from pages.parts import cached
from pages.parts.words import short

FIRST_K = 10
FIRST_ITEM = "mug-15-0"
"""A query of the catalogue that each of the first encoders answers in its own way."""
MAX_ENCODERS, MAX_K = 8, 50
MAX_OPENING = 4
"""Columns that a gallery opens with: as many as can be taken in at a glance."""


def first_query(locator: str) -> str:
    """The example that a data set opens with."""
    found = cached.examples(locator, cached.version(locator))
    return f"item:{FIRST_ITEM if FIRST_ITEM in cached.dataset(locator).rows else found[0]}"


def opening(locator: str) -> list[str]:
    """The encoders that a data set opens with: those that are built for it, the best first.

    The embedded gallery has three that tell most beside one another; they also stand, with an offer
    to build them, where nothing is built yet.
    """
    known = [row["name"] for row in cached.encoder_rows()]
    first = [name for name in FIRST_ENCODERS if name in known] or known[:3]
    built = (
        []
        if locator == FIRST_DATASET
        else cached.built_best_first(locator, cached.version(locator))
    )
    return built[:MAX_OPENING] or first


def dataset(params: Mapping[str, str], remarks: list[str]) -> str:
    given = params.get("dataset", FIRST_DATASET)
    there = ready()
    if given in there:
        return given
    if (
        len(named := [locator for locator, name in there.items() if name == given]) == 1
    ):  # as the command line lists it
        return named[0]
    remarks.append(
        f"The data set {short(given)!r} is not ready in this library. Showing the catalogue."
    )
    return FIRST_DATASET


def public_name(locator: str) -> str:
    """A data set as a link names it: by its name where strangers use the server, since its locator
    may be a place there."""
    return ready().get(locator, locator) if is_visitor() else locator


def ready() -> dict[str, str]:
    """Locators of the data sets that can be shown, with their names."""
    return {row["locator"]: row["name"] for row in cached.dataset_rows() if row["state"] == "ready"}


def encoders(params: Mapping[str, str], locator: str, remarks: list[str]) -> list[str]:
    if "encoders" not in params:
        return opening(locator)
    given = list(dict.fromkeys(split_names(params["encoders"])))
    unknown = [name for name in given if cached.encoder_row(name) is None]
    if unknown:
        remarks.append(f"There is no encoder named {short(', '.join(unknown))}. Left out.")
    kept = [name for name in given if name not in unknown]
    if len(kept) > MAX_ENCODERS:
        remarks.append(f"{len(kept)} encoders were asked for; the first {MAX_ENCODERS} are shown.")
    return kept[:MAX_ENCODERS] or opening(locator)


def index(params: Mapping[str, str], remarks: list[str]) -> str:
    """An index by its name, with knobs (``hnsw:efSearch=16``) or as a faiss factory string
    (``factory:IVF64,PQ16``)."""
    given = params.get("index", FIRST_INDEX)
    try:
        return index_spec(given).text
    except UserError as error:
        remarks.append(
            f"The index {short(given)!r} does not exist here. {short(error.given, 160)} Using exact"
            " search."
        )
        return FIRST_INDEX


def k(params: Mapping[str, str], remarks: list[str]) -> int:
    given = params.get("k", str(FIRST_K))
    if given.isascii() and given.isdigit() and len(given) < 4 and 1 <= int(given) <= MAX_K:
        return int(given)
    remarks.append(
        f"The link asks for K = {short(given, 20)}; K is from 1 to {MAX_K}. Showing {FIRST_K}."
    )
    return FIRST_K


def query(params: Mapping[str, str], locator: str, remarks: list[str]) -> str:
    given = params.get("query")
    if given is None:
        return first_query(locator)
    kind, _, name = given.partition(":")
    try:
        if kind == "up":
            cached.upload(name)
            return given
        if kind == "item" and name in cached.dataset(locator).rows:
            return given
        remarks.append(
            f"The link's query {short(given)!r} is no picture of this data set. Showing an example"
            " instead."
        )
    except UserError as error:
        remarks.append(f"{error} Showing an example instead.")
    return first_query(locator)
