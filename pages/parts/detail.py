"""What the board says of an encoder in its menu, and of a hit opened beside the query."""

import streamlit as st

from core.errors import UserError
from core.services.search.result import SearchResult
from pages.parts import (
    cached,
    cached_train,
    columns,
    link,
    palette,
    press,
    query,
    second,
    why_panel,
)
from pages.parts.answers import Gathered
from pages.parts.guard import guarded
from pages.parts.link import View
from pages.parts.words import listed

SIDE = 640
OPENED = "opened_hit"
KINDS = {
    "bundled": "comes with the code",
    "packaged": "its weights come with the installation",
    "trained": "trained here",
    "pretrained": "downloaded on first use",
    "imported": "vectors that you brought",
}
JOINED = {
    "about": "The hits of all columns as one list, by their ranks or by scores on one scale.",
    "facts": [["Weights", "under Together, among the settings"]],
    "links": [],
}
NAMES = {"label": "Class", "category": "Category", "instance": "Object", "split": "Split"}


def remember(key: str) -> None:
    """Called when a hit is opened, before the page runs."""
    st.session_state[OPENED] = press.read(st.session_state[key]["opened"], press.text)


def asked(view: View) -> dict:
    """The query, for the window in which a hit is opened beside it."""
    key = f"{view.dataset} {view.query} {view.where} {view.box} {view.asked}"
    title = f"\u201c{view.asked.text}\u201d" if view.asked.words_alone else query.names(view)[0]
    return {"key": key, "title": title, "uri": query.picture(view, box=view.box)}


def tools(view: View, found: Gathered) -> dict:
    """What the board needs beside its columns."""
    hidden = [
        {"key": name, "title": palette.title(name), "mark": palette.mark(name)}
        for name in view.hidden
    ]
    look = {"size": view.size, "pinned": view.pinned, "hidden": hidden}
    for column in found.columns:
        column |= JOINED if column.get("joined") else menu(view, column["key"])
    opened = st.session_state.pop(OPENED, None)
    return {
        "tools": True,
        "look": look,
        "query": asked(view),
        "why": why_panel.sent(view),
        "detail": of_hit(view, found, opened) if opened else None,
    }


def menu(view: View, name: str) -> dict:
    """What an encoder is, where it stands, and the doors to its pages."""
    row = cached.encoder_row(name) or {}
    size = f"{row['dim']} dimensions" if row.get("dim") else ""
    facts = [("Name", name), ("Weights", KINDS.get(row.get("tier", ""), "")), ("Vector", size)]
    place = cached.evaluated(view.dataset, cached.version(view.dataset))
    if name in place:
        rank = 1 + sum(score > place[name] for score in place.values())
        facts.append(
            ("Leaderboard", f"{rank} of {len(place)} on this gallery, mAP {place[name]:.3f}")
        )
    links = [["map", "Open its map"]]
    if name in place:
        links.append(["board", "Open the leaderboard"])
    if name in {card["name"] for card in cached_train.cards()}:
        links.append(["card", "Open its model card"])
    return {
        "about": row.get("about", ""),
        "facts": [pair for pair in facts if pair[1]],
        "links": links,
        **second.menu(name),
    }


def follow(view: View, action: str) -> None:
    """Go where a menu leads; comes back only where it leads nowhere."""
    verb, _, name = action.partition(":")
    if name not in view.encoders:
        return
    if verb == "map":
        first = [name, *(one for one in view.encoders if one != name)]
        link.to("map", dataset=view.dataset, query=view.query, encoders=",".join(first))
    if verb == "board":
        link.to("metrics", view="Leaderboard")
    if verb == "card":
        link.to("train", model=name)


def of_hit(view: View, found: Gathered, id: str) -> dict | None:
    """A picture of the gallery, large, with all that is known of it, and its rank and score in
    every column that has answered."""
    dataset, version = cached.dataset(view.dataset), cached.version(view.dataset)
    if id not in dataset.rows:
        return None
    item = dataset.items[dataset.rows[id]]
    known = [(NAMES[name], item.value(name)) for name in NAMES]
    if item.value("category") == item.value("label"):
        known = [pair for pair in known if pair[0] != NAMES["category"]]
    known += [
        (name.replace("_", " ").capitalize(), value) for name, value in item.attributes.items()
    ]
    return {
        "id": id,
        "uri": cached.thumbnail(view.dataset, version, id, SIDE),
        "query": query.picture(view, SIDE, view.box),
        "facts": [
            ("Picture", id),
            *((name, listed(value)) for name, value in known if value is not None),
        ],
        "places": {
            name: _place(view, version, name, answer, id) for name, answer in found.answers.items()
        },
    }


def _place(view: View, version: str, name: str, answer: SearchResult, id: str) -> dict:
    """Rank and score of a picture in one encoder's full order of what is searched."""
    dataset, known = cached.dataset(view.dataset), answer.calibration
    shown = next((hit for hit in answer.hits if hit.id == id), None)
    if shown is None and answer.score != "cosine":
        return {"missing": f"Not among the first {len(answer.hits)}."}
    try:
        where = view.dataset, version, view.query, name, id, view.where, view.box, view.asked
        place = None if shown else guarded(lambda: cached.place(*where), name)
    except UserError as error:
        return {"missing": error.given}
    cosine = shown.cosine if shown else place.cosine
    return {
        "rank": shown.rank if shown else place.rank,
        "score": answer.said(shown.score if shown else cosine),
        "share": columns.share(known, cosine),
        "worth": columns.worth(dataset, known, cosine),
    }
