"""A talk as one file: its scenes with their pictures and notes, presented by the keyboard or read
from top to bottom, without a server and without a network."""

import html
import time

from core.errors import UserError
from core.services.sharing import paper, scenes
from core.services.sharing.talks import Scene, Talk

KEYS = (
    ("→ ←", "next and previous scene"),
    ("R", "reveal what the system answers"),
    ("N", "notes of the speaker"),
    ("P", "present, or read all scenes one below the other"),
    ("Home End", "first and last scene"),
)


def talk_page(talk: Talk) -> str:
    """One HTML document of every scene, in order.

    Raises:
        UserError: the talk has no scene.
    """
    if not talk.scenes:
        raise UserError("The talk has no scene yet.", fix="Press Add to talk on any page.")
    count = len(talk.scenes)
    drawn = [_scene(place, scene, count) for place, scene in enumerate(talk.scenes, 1)]
    keys = "".join(f"<dt>{key}</dt><dd>{html.escape(words)}</dd>" for key, words in KEYS)
    drawn.append(f'<nav class="steps" aria-label="Scenes"><dl>{keys}</dl></nav>')
    made = time.strftime("%Y-%m-%d")
    lead = f"{count} scene{'s' * (count > 1)}, made on {made}. P presents, N shows the notes."
    return paper.page(talk.scenes[0].title, drawn, lead, more="talk")


def _scene(place: int, scene: Scene, count: int) -> str:
    title = html.escape(scene.title)
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in scene.notes.splitlines() if line)
    told = f'<aside class="notes" hidden aria-label="Notes">{notes}</aside>' if notes else ""
    return (
        f'<article class="scene" id="{place}" aria-label="Scene {place} of {count}">'
        f"<h1>{title}<small>{html.escape(scene.page)} · {place} / {count}</small></h1>"
        f"<div class='stage'>{scenes.body(scene)}</div>{told}</article>"
    )
