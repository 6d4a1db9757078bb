"""Columns whose encoder can't read words: it reads none, or has no text tower here yet."""

import streamlit as st

from core.errors import UserError
from pages.parts import builds, downloads, refine
from pages.parts.guard import public
from pages.parts.words import size

FETCH, STOP, WITHOUT = "fetch_text", "stop_text", "no_words"
KIND, REFUSED = "text", "unread_refused"


def column(row: dict) -> dict | None:
    """What stands in place of its answer; None where it reads the words."""
    text, title = row["text"], row["title"] or row["name"]
    if text is None:
        return {
            "state": "unread",
            "headline": f"{title} reads no text",
            "message": "Networks that were trained with captions do: CLIP and SigLIP.",
            "actions": [[WITHOUT, "Search without text"]],
        }
    if (job := downloads.active(KIND, row["name"])) is not None:
        return {
            "state": "busy",
            "headline": "Downloading the text encoder",
            "message": builds.progress_words(job),
            "progress": builds.share(job),
            "actions": [[STOP, "Cancel"]],
        }
    if text["state"] == "ready":
        return None
    if text["state"] == "unavailable":
        headline = f"{title} can't read text here"
        return {"state": "failed", "headline": headline, "message": public(text["detail"])}
    return {
        "state": "unbuilt",
        "headline": f"The text tower of {title} is not here yet",
        "message": f"{_last(row['name'])}{_cost(text)} It reads {text['languages']}.",
        "actions": [[FETCH, "Download it"]],
    }


def _cost(text: dict) -> str:
    return f"{size(text['bytes'])} to download." if text["bytes"] else "It is downloaded once."


def _last(name: str) -> str:
    """How the last try ended, where it did not end well."""
    if refused := st.session_state.pop(REFUSED, ""):
        return f"{refused} "
    last = downloads.ended(KIND, name)
    if last is None or last.state == "done":
        return ""
    return f"{builds.ending(last, 'download')}. {public(last.message)} "


def act(verb: str, name: str) -> bool:
    """Do what such a column's button asks; returns whether it was one."""
    if verb == FETCH:
        try:
            downloads.start(KIND, name, f"the text tower of {name}")
        except UserError as error:
            st.session_state[REFUSED] = str(error)
    elif verb == STOP and (job := downloads.active(KIND, name)):
        builds.stop(job.id)
    elif verb == WITHOUT:
        refine.step(refine.held()[0], "")
    return verb in (FETCH, STOP, WITHOUT)
