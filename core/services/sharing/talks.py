"""A talk: views of pages in an order, with a title and notes each. One file, which travels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from core import store
from core.errors import UserError

FILE = "talk.json"
MAX_SCENES, MAX_TITLE, MAX_NOTES, MAX_PARAM = 100, 120, 4000, 4000
FORM = "lookalike talk 1"
"""What the file says it is."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One view: the page by its name in the menu, and the parameters of its link."""

    title: str
    page: str
    params: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """``now``: the place from 0 of the scene that is shown; None while nobody presents."""

    scenes: tuple[Scene, ...] = ()
    now: int | None = None


def read() -> Talk:
    """The talk that is kept here; an empty one where there is none, or where it can't be read."""
    try:
        return _talk(json.loads(store.existing(_file()).read_text("utf-8")))
    except (*store.UNREADABLE, UserError):
        return Talk()


def keep(talk: Talk) -> None:
    """Write it down. Raises UserError where it has too many scenes."""
    if len(talk.scenes) > MAX_SCENES:
        raise UserError(f"The talk would have {len(talk.scenes)} scenes.", f"At most {MAX_SCENES}.")
    store.make_folder(_file().parent)
    store.write_text(_file(), written(talk))


def add(scene: Scene) -> int:
    """Add a scene at the end; returns how many there are now. Raises UserError."""
    talk = read()
    keep(replace(talk, scenes=(*talk.scenes, checked(scene))))
    return len(talk.scenes) + 1


def change(place: int, scene: Scene) -> None:
    """Put ``scene`` in the place of another. Raises UserError where there is none."""
    scenes = list(read().scenes)
    _known(place, scenes)
    scenes[place] = checked(scene)
    keep(Talk(tuple(scenes), read().now))


def move(place: int, by: int) -> None:
    """Move a scene up (negative) or down so many places. Raises UserError where there is none."""
    scenes = list(read().scenes)
    _known(place, scenes)
    scene = scenes.pop(place)
    scenes.insert(min(max(place + by, 0), len(scenes)), scene)
    keep(Talk(tuple(scenes), read().now))


def drop(place: int) -> None:
    """Take a scene out. Raises UserError where there is none."""
    scenes = list(read().scenes)
    _known(place, scenes)
    del scenes[place]
    keep(Talk(tuple(scenes)))


def show(place: int | None) -> Scene | None:
    """Note which scene is shown, for the window with the notes. None ends the show."""
    talk = read()
    if place is None or not talk.scenes:
        keep(replace(talk, now=None))
        return None
    place = min(max(place, 0), len(talk.scenes) - 1)
    keep(replace(talk, now=place))
    return talk.scenes[place]


def written(talk: Talk) -> str:
    """The talk as a JSON file."""
    told = {"form": FORM, "now": talk.now, "scenes": [asdict(one) for one in talk.scenes]}
    return json.dumps(told, ensure_ascii=False, indent=1)


def from_file(data: bytes) -> Talk:
    """A talk that somebody exported.

    Raises:
        UserError: the file is none.
    """
    try:
        return replace(_talk(json.loads(data.decode("utf-8-sig"))), now=None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            "This file is no talk.",
            "A talk is the JSON file that Export talk writes.",
            "Choose another file.",
        ) from error


def _talk(told: dict) -> Talk:
    if told["form"] != FORM:
        raise ValueError(f"not a talk: {str(told['form'])[:40]}")
    scenes = tuple(checked(Scene(**one)) for one in told["scenes"][:MAX_SCENES])
    now = told.get("now")
    return Talk(scenes, now if isinstance(now, int) and 0 <= now < len(scenes) else None)


def checked(scene: Scene) -> Scene:
    """The scene, its texts not too long. Raises UserError where it has no title or no page."""
    if not isinstance(scene.title, str) or not scene.title.strip():
        raise UserError("A scene needs a title.", fix="Give it one.")
    if not isinstance(scene.page, str) or not isinstance(scene.notes, str):
        raise UserError("A scene names its page and its notes as text.")
    params = {str(k)[:80]: str(v)[:MAX_PARAM] for k, v in scene.params.items()}
    return Scene(scene.title.strip()[:MAX_TITLE], scene.page[:80], params, scene.notes[:MAX_NOTES])


def _known(place: int, scenes: Sequence[Scene]) -> None:
    if not 0 <= place < len(scenes):
        raise UserError(f"The talk has no scene {place + 1}.")


def _file():
    return store.root() / "library" / FILE
