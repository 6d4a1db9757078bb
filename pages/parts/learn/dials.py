"""Controls of a live part, whose values stand in the link: each is declared once, where it is
drawn.

A link that was opened (or gone back to) sets every control, those that it does not name to their
defaults. One that says something impossible gets the default, and a remark.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from pages.parts import press, url_state
from pages.parts.press import finite
from pages.parts.url_state import FLAG, Kind, Param

PARAM = "lesson"
SHOWN, DRAWN, SEEN, REMARKS, FRESH = (
    f"learn_{name}" for name in ("lesson", "dials", "seen", "remarks", "fresh")
)


def begin(lesson: str) -> None:
    """A lesson is drawn; the controls that follow belong to it."""
    state, params = st.session_state, dict(st.query_params)
    state[SHOWN], state[DRAWN] = lesson, {}
    state.setdefault(REMARKS, [])
    if params != state.get(SEEN):
        for key in [one for one in state if str(one).startswith(_key(""))]:
            del state[key]
        state[SEEN], state[REMARKS], state[FRESH] = params, [], True


def _key(name: str) -> str:
    return f"keep_learn_{st.session_state[SHOWN]}_{name}"


def _start(name: str, default, kind: Kind) -> str:
    """The session's key of a control, which holds what the link says, else the default."""
    state, one = st.session_state, Param(name, _key(name), kind, default)
    if one.key not in state:
        own = st.query_params.get(PARAM) == state[SHOWN]
        one.keep(one.read(st.query_params.get(name) if own else None, state[REMARKS]))
    state[DRAWN][name] = one
    return one.key


def kept(name: str, default, kind: Kind) -> str:
    """The session's key of what a lesson keeps without a control: it stands in the link too."""
    return _start(name, default, kind)


def keep(name: str, value: object) -> None:
    """Another value for what is kept under that name."""
    st.session_state[_key(name)] = value


def own(name: str, start=None):
    """What a lesson keeps and its link does not say: ``start`` anew with every link."""
    return st.session_state.setdefault(_key(name), start)


def fresh() -> bool:
    """Whether a link was opened, or gone back to, with this run."""
    return st.session_state.get(FRESH, False)


def places(
    sketch: str, start: dict[str, tuple[float, float]], frame: tuple[float, float, float, float]
) -> dict[str, tuple[float, float]]:
    """Where a sketch's handles lie, from where they began; ``frame``: left, bottom, right, top."""
    state, point = st.session_state, _point(frame)
    keys = {name: kept(f"at_{name}", at, point) for name, at in start.items()}
    moved, seen = (state.get(sketch) or {}).get("moved"), f"{sketch}_seen"
    if moved and moved != state.get(seen):
        state[seen] = moved
        for name, at in (press.read(moved, _moved) or {}).items():
            if name in keys:
                state[keys[name]] = (
                    min(max(at[0], frame[0]), frame[2]),
                    min(max(at[1], frame[1]), frame[3]),
                )
    return {name: state[key] for name, key in keys.items()}


def _moved(said: dict) -> dict[str, tuple[float, float]]:
    """Where a person put the handles; of what is written by hand errors are raised."""
    return {name: (finite(x), finite(y)) for name, (x, y) in said["at"].items()}


def _point(frame: tuple[float, float, float, float]) -> Kind:
    """A place within a frame, as ``0.62_-0.5``."""
    left, bottom, right, top = frame

    def read(text: str) -> tuple[float, float]:
        x, y = map(float, text.split("_"))
        if not (left <= x <= right and bottom <= y <= top):
            raise ValueError(text)
        return x, y

    return Kind(read, lambda at: f"{at[0]:g}_{at[1]:g}")


def _one_of(options: Sequence) -> Kind:
    known = {str(one): one for one in options}
    return Kind(known.__getitem__, str)


def choice(name: str, label: str, options: Sequence, default, names: Callable[[object], str] = str):
    """One of a few, all of them visible."""
    key = _start(name, default, _one_of(options))
    url_state.heal(key, options, default)
    return st.segmented_control(label, list(options), key=key, format_func=names, required=True)


def pick(name: str, label: str, options: Sequence, default, names=str, width: int = 208):
    """One of many, in a list that opens."""
    key = _start(name, default, _one_of(options))
    url_state.heal(key, options, default)
    return st.selectbox(label, list(options), key=key, format_func=names, width=width)


def stops(name: str, label: str, options: Sequence, default):
    """A slider with named stops."""
    key = _start(name, default, _one_of(options))
    url_state.heal(key, options, default)
    return st.select_slider(label, list(options), key=key, width=208)


def number(name: str, label: str, low: float, high: float, default: float, step: float) -> float:
    """A slider; whole where ``step`` is."""
    key = _start(name, default, url_state.number(low, high, isinstance(step, int)))
    return st.slider(label, low, high, key=key, step=step, width=208)


def switch(name: str, label: str) -> bool:
    return st.toggle(label, key=_start(name, False, FLAG))


def publish(tell: bool = True) -> None:
    """The address bar says the lesson and every control that stands elsewhere than at its default.
    What could not be restored is said (where ``tell``) until something else is chosen."""
    state = st.session_state
    written = {name: one.written for name, one in state[DRAWN].items()}
    params = {PARAM: state[SHOWN]} | {name: text for name, text in written.items() if text}
    if not state.pop(FRESH, False) and params != state.get(SEEN):
        state[REMARKS] = []
    if tell:
        url_state.tell(state[REMARKS])
    url_state.publish(params)
    state[SEEN] = params
