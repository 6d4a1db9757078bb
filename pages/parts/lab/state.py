"""What the Index lab shows, and its link: each restores the other. A forged link gives a remark and
the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.errors import UserError
from core.services.naming import split_names
from pages.parts import cached, cached_lab, link
from pages.parts.shell import hosted
from pages.parts.words import short

VIEWS = ("Recall and time", "One query", "Approximation loss", "Buckets", "Advice")
FORMER = {"Where it is lost": "Approximation loss"}
"""What a view was called in older links."""
ASKING = ("One query", "Buckets")
"""Views that look at one query."""
FIRST_INDEXES = ("exact", "hnsw", "ivf_flat", "ivf_pq", "sq8", "lsh", "voyager", "annoy")
SEEN, GO = "lab_seen", "lab_go"
KEEP = "keep_lab_"
SETTING = "keep_lab_set_"
MOST_SETTINGS, MOST_INDEXES = 12, 24


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return read


def _view(text: str) -> str:
    return _choice(*VIEWS)(FORMER.get(text, text))


def _number(low: float, high: float, whole: bool = True) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high or (whole and value != int(value)):
            raise ValueError(text)
        return int(value) if whole else value

    return read


@dataclass(frozen=True, slots=True)
class Field:
    """One choice: its name in the link, its default (or how that is found out), and how a link's
    text is read (ValueError: it says nothing allowed)."""

    param: str
    default: object
    read: Callable[[str], object]

    @property
    def first(self) -> object:
        return self.default() if callable(self.default) else self.default

    @property
    def key(self) -> str:
        return KEEP + self.param

    def written(self, value: object) -> str:
        if isinstance(value, (list, tuple)):
            return ";".join(value)
        return (
            f"{value:g}"
            if isinstance(value, float)
            else str(int(value) if isinstance(value, bool) else value)
        )


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(one for one in text.split(";") if one))[:MOST_INDEXES]


def _minhash(knob: str) -> Callable[[], float]:
    """What the index itself starts with, so that picture and search agree."""
    return lambda: cached_lab.index_row("minhash")["knobs"][knob]


def _flag(text: str) -> bool:
    return _choice("0", "1")(text) == "1"


FIELDS = {
    field.param: field
    for field in (
        Field("view", VIEWS[0], _view),
        Field("encoder", "", str),
        Field("indexes", list(FIRST_INDEXES), _names),
        Field("size", 0, _number(0, 1_000_000)),
        Field("full", False, _flag),
        Field("time", "p50", _choice("p50", "p95")),
        Field("asked", "one", _choice("one", "batch")),
        Field("recall", 0.95, _number(0.5, 1, whole=False)),
        Field("try", "hnsw", str),
        Field("pca", 64, _number(0, 4096)),
        Field("code", "int8", _choice("float32", "float16", "int8", "pq")),
        Field("through", "hnsw", str),
        Field("rerank", 4, _number(0, 100)),
        Field("hash", "lsh", _choice("lsh", "minhash")),
        Field("bits", 64, _number(8, 1024)),
        Field("rows", 8, _number(1, 64)),
        Field("perms", _minhash("num_perm"), _number(8, 512)),
        Field("hashdim", _minhash("hash_dim"), _number(8, 1024)),
        Field("threshold", _minhash("threshold"), _number(0.05, 0.95, whole=False)),
        Field("gallery", 0, _number(0, 10**10)),
        Field("memory", 4.0, _number(0.01, 4096, whole=False)),
    )
}


def key(param: str) -> str:
    """The session's name of a choice."""
    return FIELDS[param].key


def value(param: str):
    """What is chosen now."""
    return st.session_state[FIELDS[param].key]


@dataclass(frozen=True, slots=True)
class LabView:
    """What every view of the page needs; the rest each view asks for by :func:`value`."""

    base: link.View
    encoder: str
    mode: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What opens the caches: locator, version, encoder."""
        return self.base.dataset, cached.version(self.base.dataset), self.encoder


def restore() -> None:
    """Put a link that was opened into the session; then everything that is missing gets its
    default."""
    link.restore()
    state, params = st.session_state, dict(st.query_params)
    if params and params != state.get(SEEN):
        remarks = state.setdefault(link.REMARKS, [])
        for field in FIELDS.values():
            state[field.key] = _taken(field, params.get(field.param), remarks)
        _take_settings(params.get("set", ""), remarks)
    for field in FIELDS.values():
        state.setdefault(field.key, field.first)
    state[SEEN] = params
    for name, chosen in state.pop(GO, {}).items():
        state[name] = chosen
    heal()


def _taken(field: Field, given: str | None, remarks: list[str]) -> object:
    if given is None:
        return field.first
    try:
        return field.read(given)
    except (ValueError, OverflowError):
        remarks.append(
            f"The link says {field.param} = {short(given)}, which is not possible here. The default"
            " is used."
        )
        return field.first


def _take_settings(text: str, remarks: list[str]) -> None:
    """``nprobe=8,M=32``: settings of the index that is tried; what it does not know is left out."""
    name = value("try")
    known = knob_rows(name)
    for part in split_names(text)[:MOST_SETTINGS]:
        knob, _, said = part.partition("=")
        try:
            row = known[knob]
            number = _number(row["low"], row["high"], isinstance(row["default"], int))(said)
        except (KeyError, ValueError, OverflowError):
            remarks.append(
                f"The link sets {short(part)}, which this index does not allow. Left out."
            )
            continue
        st.session_state[setting_key(name, knob)] = number


def heal() -> None:
    """What is chosen exists, whatever a link said or another page removed."""
    state = st.session_state
    known = [row["name"] for row in cached.encoder_rows()]
    if cached.encoder_row(value("encoder")) is None:
        state[key("encoder")] = next(
            (one for one in state[link.ENCODERS] if cached.encoder_row(one)), known[0]
        )
    if hosted():  # no visitor of a public demo fills its memory
        state[key("size")] = 0
    unknown = [name for name in value("indexes") if not index_row(name)]
    state[key("indexes")] = [name for name in value("indexes") if name not in unknown]
    for param in ("try", "through"):
        if not index_row(value(param)):
            unknown.append(value(param))
            state[key(param)] = FIELDS[param].first
    for name in dict.fromkeys(unknown):
        state.setdefault(link.REMARKS, []).append(
            f"The link names the index {short(name)}, which is not known here. Left out."
        )


def go(view: str, index: str = "", settings: Mapping[str, float] | None = None) -> None:
    """Run again with another view, and an index with its settings to try: what widgets hold can't
    be changed once they stand."""
    chosen: dict[str, object] = {key("view"): view}
    if index:
        known = knob_rows(index)
        chosen[key("try")] = index
        chosen |= {
            setting_key(index, name): (settings or {}).get(name, row["default"])
            for name, row in known.items()
        }
    st.session_state[GO] = chosen
    st.rerun()


def index_names(*more: str) -> list[str]:
    """Every index that is listed, then those of ``more`` that a person typed."""
    listed = [row["name"] for row in cached.index_rows()]
    return [*listed, *(name for name in dict.fromkeys(more) if name not in listed)]


def index_row(name: str) -> dict:
    """What is known of an index, listed or typed; empty where nothing answers to the name."""
    try:
        return cached_lab.index_row(name)
    except UserError:
        return {}


def knob_rows(index: str) -> dict[str, dict]:
    """Search knobs first, then build knobs; empty where nothing answers to the name."""
    row = index_row(index)
    return {**row.get("search_knobs", {}), **row.get("build_knobs", {})}


def setting_key(index: str, knob: str) -> str:
    return f"{SETTING}{index}_{knob}"


def chosen_settings(index: str) -> dict[str, float]:
    """Knobs of an index that stand elsewhere than at their defaults."""
    return {
        name: st.session_state[setting_key(index, name)]
        for name, row in knob_rows(index).items()
        if st.session_state.get(setting_key(index, name), row["default"]) != row["default"]
    }


def current() -> LabView:
    return LabView(link.current(), value("encoder"), value("view"))


def publish() -> None:
    """The address bar says the view."""
    base, state = link.current(), st.session_state
    own = link.written(base)
    params = {**own, "encoder": value("encoder"), "view": value("view")}
    params |= {
        name: one.written(value(name)) for name, one in FIELDS.items() if value(name) != one.first
    }
    if set_to := _written(chosen_settings(value("try"))):
        params["set"] = set_to
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    state[link.LINK], state[SEEN] = own, params


def _written(settings: dict[str, float]) -> str:
    return ",".join(f"{name}={number:g}" for name, number in settings.items())


def spec(index: str) -> str:
    """``hnsw:efSearch=16``: an index with what is chosen of it."""
    said = _written(chosen_settings(index))
    return joined(index, said) if said else index


def joined(index: str, said: str) -> str:
    """An index with knobs, as services read it; the name of a factory string holds a colon of its
    own."""
    return f"{index}{',' if ':' in index else ':'}{said}"


def wanted_indexes() -> Sequence[str]:
    """The indexes that are compared; what can't be used here stays chosen, and is said where it
    matters."""
    return tuple(value("indexes"))
