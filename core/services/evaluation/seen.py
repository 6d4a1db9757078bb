"""Has an encoder seen the pictures that it is evaluated on? What its card says it learned from,
against what they are.

A data set is known again by its content: the card of a network keeps *marks* of every set that it
learned from, the smallest
digests of its pictures, so that neither another folder's name nor another layout hides it. Cards
without marks go by the place or the name of the set. ImageNet, which is not here, is known by the
WordNet ids that its pictures bear, Tiny ImageNet by marks too.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.datasets.paths import open_dataset
from core.encoders.base import Encoder, encoders
from core.encoders.trained import CARD, Untrained, find_model
from core.encoders.trained_networks import SLIM
from core.errors import UserError
from core.services.embedding import contents
from core.training.settings import expanded
from core.training.sources import training_items
from core.types import Item, Protocol

NONE, UNKNOWN, PART, ALL = KINDS = ("none", "unknown", "training part", "these pictures")
"""From least to most."""
WORDS = {
    NONE: "none",
    UNKNOWN: "not known: its weights do not say what they were trained on",
    PART: "trained on its training part",
    ALL: "trained on these very pictures, validation too",
}
ENOUGH = 0.1
"""Fewer than every tenth picture in common are duplicates, and not the same set."""
IMAGENET = "ImageNet"
TAGS = re.compile(r"(^|_)(in1k|in12k|in21k|in22k|in21ft\w*|imagenet\w*|lvd142m|dino|mae)(_|$)")
"""Tags of published weights trained on ImageNet; LVD-142M holds all of ImageNet-22k."""
SYNSET = re.compile(r"(?<![A-Za-z0-9])n\d{8}(?![0-9])|ILSVRC20")
HELD_BACK = re.compile(r"ILSVRC20\d\d_(val|test)")
NAMED = re.compile(r"(?i)image[-_ ]?(net|nette|woof)|ilsvrc")
LOOKED_AT = 500
KNOWN = Path(__file__).parent / "known_sets.json"


class Unknown(Exception):
    """Nobody knows what an encoder was trained on."""


@dataclass(frozen=True, slots=True)
class Seen:
    """``kind`` is one of :data:`KINDS`; ``words`` say it for a protocol card."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a card says of one set that was learned from; ``of``: the pictures of its ``marks``."""

    name: str
    locator: str = ""
    marks: tuple[str, ...] = ()
    of: int = 0


def seen(encoder: Encoder, dataset: Dataset, protocol: Protocol | None = None) -> Seen:
    """Whether an encoder was trained on pictures of a data set.

    Of a cross-domain set each part is asked for itself, under ``protocol`` (the usual one without)
    those that take part; having learned from the gallery counts as its training part.
    """
    members = dataset.members_of(protocol or dataset.protocol())
    if not members:
        return _one(encoder, dataset)
    parts = [_one(encoder, member) for member in members]
    kinds = [PART if row == 0 and part.kind == ALL else part.kind for row, part in enumerate(parts)]
    kind = max(kinds, key=KINDS.index)
    if len({part.words for part in parts}) == 1:
        return Seen(kind, parts[0].words)
    told = [
        f"{member.title or member.name}: {part.words}"
        for member, part in zip(members, parts, strict=True)
    ]
    return Seen(kind, "; ".join(told[1:] + told[:1]))


def remember(folder: Path) -> None:
    """Add to the card in a model's folder the marks of every set that it learned from, where that
    can be opened here, and what the network that it began as had learned from, under ``before``:
    that network may not stay here.
    """
    card = json.loads((folder / CARD).read_text())
    for source, locator in zip(
        card.get("data", []), card.get("settings", {}).get("datasets", []), strict=False
    ):
        try:
            dataset = open_dataset(expanded(locator))
            items = training_items(dataset)
        except UserError:
            continue
        source |= {"marks": contents.marks(dataset, items), "of": len(items)}
    names = {source["name"] for source in card.get("data", [])}
    with suppress(Unknown):
        earlier = {
            source.name: source
            for name in _began_as(card)
            if (one := _encoder(name))
            for source in sources(one)
        }
        card["before"] = [_noted(source) for name, source in earlier.items() if name not in names]
    store.write_text(folder / CARD, json.dumps(card, indent=1))


def _noted(source: Source) -> dict:
    return {
        "name": source.name,
        **({"marks": list(source.marks), "of": source.of} if source.marks else {}),
    }


def _one(encoder: Encoder, dataset: Dataset) -> Seen:
    try:
        kinds = [_kind(source, dataset) for source in sources(encoder)]
    except Unknown:
        kinds = [UNKNOWN]
    kind = max(kinds, key=KINDS.index, default=NONE)
    return Seen(kind, WORDS[kind] + _taught(encoder, dataset, kind))


def _taught(encoder: Encoder, dataset: Dataset, kind: str) -> str:
    """A network that imitates another learns from what that one has seen."""
    name = (getattr(encoder, "card", None) or {}).get("teacher")
    found = _encoder(name) if name else None
    there = _one(found, dataset) if found else None
    if there is None or there.kind == UNKNOWN or KINDS.index(there.kind) <= KINDS.index(kind):
        return ""
    return f"; its teacher {name} was {there.words}"


def sources(encoder: Encoder) -> Iterator[Source]:
    """Every set that the weights of an encoder learned from, those of the weights that they began
    as included.

    Raises:
        Unknown: nobody knows.
    """
    if isinstance(encoder, Untrained):
        return
    if encoder.base is not None:
        yield from sources(encoders.get(encoder.base))
        return
    card = getattr(encoder, "card", None)
    if card is not None:
        yield from _of_card(card)
    elif encoder.tier in ("pretrained", "packaged"):
        yield _published(encoder.name)
    elif encoder.tier == "imported":
        raise Unknown(encoder.name)


def _of_card(card: dict) -> Iterator[Source]:
    told, settings = card.get("data", []), card.get("settings", {})
    if not told:
        raise Unknown(card.get("name", ""))
    places = [_place(one) for one in settings.get("datasets", [])]
    for row, one in enumerate(told):
        place = places[row] if len(places) == len(told) else ""
        yield Source(one["name"], place, tuple(one.get("marks", ())), int(one.get("of", 0)))
    for one in card.get("before", []):
        yield Source(one["name"], "", tuple(one.get("marks", ())), int(one.get("of", 0)))
    for name in _began_as(card) if "before" not in card else ():
        if before := _encoder(name):
            yield from sources(before)


def _began_as(card: dict) -> list[str]:
    """Names of the networks whose weights this one began with: another of ours, published ones,
    those of a hybrid's front.

    Where the first is not here, a backbone that is published by that name is taken to have begun
    with what is published.
    """
    backbone, before = card.get("network", {}).get("backbone", ""), card.get("starts_from", "")
    published = SLIM[backbone].front if backbone in SLIM else backbone
    began_published = card.get("settings", {}).get("pretrained") or (
        before and find_model(before) is None
    )
    return [name for name in (before, published if began_published else "") if name]


def _place(locator: str) -> str:
    """Where a recipe's data set lies here; empty where it names a variable that is not set."""
    try:
        return expanded(locator)
    except UserError:
        return ""


def _published(name: str) -> Source:
    """What published weights were trained on, by their tag. Raises Unknown."""
    tag = name.split(":")[0].partition(".")[2]
    if not TAGS.search(tag):
        raise Unknown(name)
    return Source(IMAGENET)


def _encoder(name: str) -> Encoder | None:
    try:
        return encoders.get(name)
    except UserError:
        return None


def _kind(source: Source, dataset: Dataset) -> str:
    if NAMED.match(source.name) and not source.marks and not source.locator:
        return _of_imagenet(dataset)
    asking = [row for row, item in enumerate(dataset.items) if dataset.protocol().is_query(item)]
    if source.marks:
        digests = contents.digests(dataset)
        learned = [dataset.rows[item.id] for item in training_items(dataset)]
        if contents.share_of(digests[asking], source.marks, source.of) >= ENOUGH:
            return ALL
        return (
            PART if contents.share_of(digests[learned], source.marks, source.of) >= ENOUGH else NONE
        )
    if source.name == dataset.name or source.locator == dataset.locator:
        return PART if dataset.protocol().queries else ALL
    return NONE


def _of_imagenet(dataset: Dataset) -> str:
    """Pictures of ImageNet are seen, but for its validation and test parts."""
    if not (_bears_synsets(dataset) or _is_tiny(dataset) or NAMED.search(dataset.name)):
        return NONE
    asking = [item for item in dataset.items if dataset.protocol().is_query(item)]
    return (
        PART if sum(bool(HELD_BACK.search(item.id)) for item in asking) > len(asking) / 2 else ALL
    )


def _bears_synsets(dataset: Dataset) -> bool:
    some = dataset.items[:: max(1, len(dataset.items) // LOOKED_AT)]
    return sum(map(_synset, some)) > len(some) / 2


def _synset(item: Item) -> bool:
    words = [
        item.id,
        item.label or "",
        *(value for value in item.attributes.values() if isinstance(value, str)),
    ]
    return any(SYNSET.search(word) for word in words)


def _is_tiny(dataset: Dataset) -> bool:
    known = known_sets()["Tiny ImageNet"]
    return contents.share_of(contents.digests(dataset), known["marks"], known["of"]) >= ENOUGH


@cache
def known_sets() -> dict[str, dict]:
    """Public sets by name: ``marks`` of all their pictures, and how many these stand for."""
    return json.loads(KNOWN.read_text())
