"""The link of a page. A page declares its parameters once; how they are read, written, restored and
what is said of one that can't be restored is the same for all, and here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.parts.words import note, short

PENDING = "link_pending"
"""Session: key of an unchecked value of a link -> (its parameter, where remarks go)."""
SAID = "links_said"
"""Session: the page that is shown, and the links that the address bar was told, newest last."""
MOST_SAID = 8
AFRESH = {"from": "menu"}
"""What the menu's line of the page that is shown says in place of a link: of two runs that come
without one only this is to show the page as it opens first."""


class Refused(ValueError):
    """A link's text that can't be shown as it stands: ``value`` is shown, ``remarks`` say why."""

    def __init__(self, value: object, *remarks: str) -> None:
        super().__init__(*remarks)
        self.value, self.remarks = value, remarks


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value stands in a link. ``read`` raises ValueError where the text says nothing allowed
    (or Refused, with a remark of its own); ``write`` gives an empty text where nothing is to be
    said. A ``late`` value is checked by :func:`heal`, where what is allowed is known."""

    read: Callable[[str], object] = str
    write: Callable[..., str] = str
    late: bool = False


TEXT = Kind()
LATE = Kind(late=True)
FLAG = Kind(lambda text: {"0": False, "1": True}[text], lambda value: str(int(value)))


def choice(*allowed: str, former: Mapping[str, str] | None = None) -> Kind:
    """One of ``allowed``; ``former`` says what they were called in older links."""

    def read(text: str) -> str:
        text = (former or {}).get(text, text)
        if text not in allowed:
            raise ValueError(text)
        return text

    return Kind(read)


def number(low: float, high: float, whole: bool = True) -> Kind:
    """A number from ``low`` to ``high``."""

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high or (whole and value != int(value)):
            raise ValueError(text)
        return int(value) if whole else value

    return Kind(read, lambda value: f"{value:g}" if isinstance(value, float) else str(value))


def names(separator: str, most: int) -> Kind:
    """A list of names, each once."""

    def read(text: str) -> list[str]:
        return list(dict.fromkeys(one for one in text.split(separator) if one))[:most]

    return Kind(read, separator.join)


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its name in the link, where the session keeps it, how it is said, and its
    default (or what finds that out).

    A default is written only where ``always``. ``get`` and ``put`` stand in place of ``key`` where
    the session keeps it in parts.
    """

    name: str
    key: str = ""
    kind: Kind = TEXT
    default: object = ""
    always: bool = False
    get: Callable[[], object] | None = None
    put: Callable[[object], None] | None = None

    @property
    def first(self) -> object:
        return self.default() if callable(self.default) else self.default

    @property
    def value(self) -> object:
        """What is chosen now; the default where nothing is."""
        return self.get() if self.get else st.session_state.get(self.key, self.first)

    def keep(self, value: object) -> None:
        if self.put:
            self.put(value)
        else:
            st.session_state[self.key] = value

    def read(self, given: str | None, remarks: list[str]) -> object:
        """What a link's text says; the default where that is nothing allowed, with a remark."""
        if given is None:
            return self.first
        if self.kind.late:
            st.session_state.setdefault(PENDING, {})[self.key] = self.name, remarks
        try:
            return self.kind.read(given)
        except Refused as error:
            remarks.extend(error.remarks)
            return error.value
        except (ValueError, LookupError, OverflowError):
            remarks.append(_refusal(self.name, given))
            return self.first

    @property
    def written(self) -> str:
        """Its text in the link; empty where it is left out."""
        value = self.value
        if value is None or (value == self.first and not self.always):
            return ""
        return self.kind.write(value)


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a page, in the order in which they are read: the default of one may depend
    on those before it."""

    table: tuple[Param, ...]
    by_name: dict[str, Param] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {one.name: one for one in self.table})

    def __iter__(self) -> Iterator[Param]:
        return iter(self.table)

    def __getitem__(self, name: str) -> Param:
        return self.by_name[name]

    def but(self, names: Collection[str]) -> Params:
        """These without those of ``names``."""
        return Params(tuple(one for one in self if one.name not in names))

    def given(self) -> dict[str, str]:
        """What the address bar says of them."""
        here = st.query_params
        return {one.name: here[one.name] for one in self if one.name in here}

    def take(self, given: Mapping[str, str], remarks: list[str]) -> None:
        """Put a link into the session: all of them, those that it leaves out at their defaults."""
        for one in self:
            one.keep(one.read(given.get(one.name), remarks))

    def written(self) -> dict[str, str]:
        """The parameters that a link holds now."""
        return {one.name: text for one in self if (text := one.written)}


def publish(params: Mapping[str, str]) -> None:
    """The address bar says this."""
    st.session_state.pop(PENDING, None)
    if _said(dict(params)) or dict(params) != dict(st.query_params):
        st.query_params.from_dict(dict(params))


def go(path: str, params: Mapping[str, str]) -> None:
    """Open a page (or the same again) as a link to it would."""
    _said(dict(params))
    st.switch_page(path, query_params=dict(params))


def settle(page: str) -> None:
    """Before a page reads its link. A person who is faster than the connection uses a control
    while the address bar is still being told of the one before: what it says then is no link that
    was opened, and the newest is put in its place."""
    shown, told = st.session_state.get(SAID, ("", []))
    here = dict(st.query_params)
    if shown != page:
        told = []
    if AFRESH.items() <= here.items():
        st.query_params.clear()
        here = {}
    elif here in told[:-1] and here != told[-1] and not _went_back():
        st.query_params.from_dict(told[-1])
        return
    if here not in told[-1:]:
        st.session_state[SAID] = page, [*told, here][-MOST_SAID:]


def _said(params: dict[str, str]) -> bool:
    """Whether that is new: the menu leads to a page without its link, and leaves the link of before
    in the address bar."""
    shown, told = st.session_state.get(SAID, ("", []))
    if params in told[-1:]:
        return False
    st.session_state[SAID] = shown, [*told, params][-MOST_SAID:]
    return True


def _went_back() -> bool:
    """Whether the browser's own Back or Forward began this run."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def put(key: str, value: object) -> None:
    """Into the session, where it is not so already: what is put there is told to the browser, and
    over a slow connection takes back what was chosen meanwhile."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def heal(key: str, options: Sequence[str], first: str | None = None) -> Sequence[str]:
    """What is chosen is one of the options, whatever was chosen before; a link that asked for
    something else gets a remark."""
    state = st.session_state
    if options and state.get(key) not in options:
        refuse(key, state.get(key))
        state[key] = first if first in options else options[0]
    return options


def keep(key: str, options: Collection[str]) -> None:
    """Of a list that was chosen only what is one of the options is left; as :func:`heal`."""
    state = st.session_state
    gone = [one for one in state[key] if one not in options]
    if gone:
        refuse(key, ", ".join(gone))
        state[key] = [one for one in state[key] if one in options]


def refuse(key: str, value: object, why: str = "") -> None:
    """What a link gave for ``key`` is not possible here: say so, or ``why``. Nothing is said of a
    value that came from elsewhere."""
    name, remarks = st.session_state.get(PENDING, {}).pop(key, ("", []))
    if name and value:
        remarks.append(why or _refusal(name, str(value)))


def tell(remarks: Sequence[str]) -> None:
    """Say what of a link could not be restored."""
    if remarks:
        note("Not everything could be restored.", " ".join(remarks))


def _refusal(name: str, given: str) -> str:
    return (
        f"The link says {name} = {short(given)}, which is not possible here. The default is used."
    )
