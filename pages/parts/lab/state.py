"""What the Index lab shows, and its link: each restores the other. Forged, it gives a default."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from core.errors import UserError
from core.services import marks
from core.services.specs import split_names
from pages.parts import cached, cached_lab, link, palette, url_state
from pages.parts.shell import hosted
from pages.parts.url_state import FLAG, LATE, TEXT, Kind, Param, Params, Refused, number
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


def _minhash(knob: str) -> Callable[[], float]:
    """What the index itself starts with, so that picture and search agree."""
    return lambda: cached_lab.index_row("minhash")["knobs"][knob]


def _param(name: str, default: object, kind: Kind) -> Param:
    return Param(name, KEEP + name, kind, default, always=name in ("view", "encoder"))


def _read_settings(text: str) -> dict[str, float]:
    """``nprobe=8,M=32``: settings of the index that is tried; what it does not know is left out."""
    known, chosen, remarks = knob_rows(value("try")), {}, []
    for part in split_names(text)[:MOST_SETTINGS]:
        knob, _, said = part.partition("=")
        try:
            row = known[knob]
            whole = isinstance(row["default"], int)
            chosen[knob] = url_state.number(row["low"], row["high"], whole).read(said)
        except (KeyError, ValueError, OverflowError):
            remarks.append(
                f"The link sets {short(part)}, which this index does not allow. Left out."
            )
    if remarks:
        raise Refused(chosen, *remarks)
    return chosen


def _keep_settings(chosen: Mapping[str, float]) -> None:
    for knob, chosen_value in chosen.items():
        st.session_state[setting_key(value("try"), knob)] = chosen_value


def _written(settings: Mapping[str, float]) -> str:
    return ",".join(f"{name}={one:g}" for name, one in settings.items())


PARAMS = Params(
    (
        _param("view", VIEWS[0], url_state.choice(*VIEWS, former=FORMER)),
        _param("encoder", "", LATE),
        _param("indexes", lambda: list(FIRST_INDEXES), url_state.names(";", MOST_INDEXES)),
        _param("size", 0, number(0, 1_000_000)),
        _param("full", False, FLAG),
        _param("time", "p50", url_state.choice("p50", "p95")),
        _param("asked", "one", url_state.choice("one", "batch")),
        _param("recall", 0.95, number(0.5, 1, whole=False)),
        _param("try", "hnsw", TEXT),
        _param("pca", 64, number(0, 4096)),
        _param("code", "int8", url_state.choice("float32", "float16", "int8", "pq")),
        _param("through", "hnsw", TEXT),
        _param("rerank", 4, number(0, 100)),
        _param("hash", "lsh", url_state.choice("lsh", "minhash")),
        _param("bits", 64, number(8, 1024)),
        _param("rows", 8, number(1, 64)),
        _param("perms", _minhash("num_perm"), number(8, 512)),
        _param("hashdim", _minhash("hash_dim"), number(8, 1024)),
        _param("threshold", _minhash("threshold"), number(0.05, 0.95, whole=False)),
        _param("gallery", 0, number(0, 10**10)),
        _param("memory", 4.0, number(0.01, 4096, whole=False)),
        Param(
            "set",
            kind=Kind(_read_settings, _written),
            default=dict,
            get=lambda: chosen_settings(value("try")),
            put=_keep_settings,
        ),
    )
)
OWN = frozenset(PARAMS.by_name)


def key(param: str) -> str:
    """The session's name of a choice."""
    return PARAMS[param].key


def value(param: str):
    """What is chosen now."""
    return st.session_state[PARAMS[param].key]


@dataclass(frozen=True, slots=True)
class LabView:
    """What every view of the page needs; the rest each view asks for by :func:`value`."""

    base: link.View
    encoder: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What opens the caches: locator, version, encoder."""
        return self.base.dataset, cached.version(self.base.dataset), self.encoder


def restore() -> None:
    """Put a link that was opened into the session; what is missing gets its default."""
    link.restore(OWN)
    state, params = st.session_state, dict(st.query_params)
    if params and params != state.get(SEEN):
        PARAMS.take(params, state.setdefault(link.REMARKS, []))
    for one in PARAMS:
        if one.key:
            state.setdefault(one.key, one.first)
    state[SEEN] = params
    for name, chosen in state.pop(GO, {}).items():
        state[name] = chosen
    heal()


def heal() -> None:
    """What is chosen exists, whatever a link said or another page removed."""
    state = st.session_state
    known = [row["name"] for row in cached.encoder_rows()]
    if cached.encoder_row(value("encoder")) is None:
        url_state.refuse(key("encoder"), value("encoder"))
        state[key("encoder")] = next(
            (one for one in state[link.ENCODERS] if cached.encoder_row(one)), known[0]
        )
    if hosted():  # no visitor of a public demo fills its memory
        url_state.put(key("size"), 0)
    unknown = [name for name in value("indexes") if not index_row(name)]
    url_state.put(key("indexes"), [name for name in value("indexes") if name not in unknown])
    for param in ("try", "through"):
        if not index_row(value(param)):
            unknown.append(value(param))
            state[key(param)] = PARAMS[param].first
    for name in dict.fromkeys(unknown):
        state.setdefault(link.REMARKS, []).append(
            f"The link names the index {short(name)}, which is not known here. Left out."
        )


def go(view: str, index: str = "", settings: Mapping[str, float] | None = None) -> None:
    """Run again with another view, and an index with settings to try, before widgets stand."""
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
    return LabView(link.current(), value("encoder"))


def publish() -> None:
    """The address bar says the view."""
    own = link.written(OWN)
    params = own | PARAMS.written()
    url_state.publish(params)
    st.session_state[link.LINK], st.session_state[SEEN] = own, params


def spec(index: str) -> str:
    """``hnsw:efSearch=16``: an index with what is chosen of it."""
    said = _written(chosen_settings(index))
    return joined(index, said) if said else index


def joined(index: str, said: str) -> str:
    """An index with knobs, as services read it; a factory string has its own colon."""
    return f"{index}{',' if ':' in index else ':'}{said}"


def wanted_indexes() -> Sequence[str]:
    """The indexes that are compared; what can't be used stays chosen, and is said."""
    return tuple(value("indexes"))


SYMBOLS = ("circle", "diamond-open", "square", "triangle-up-open")


def _place(index: str) -> int:
    names = [row["name"] for row in cached.index_rows()]
    if index in names:
        return names.index(index)
    return len(names) + zlib.crc32(index.encode()) % len(marks.COLOURS)


def colour(index: str) -> str:
    return marks.COLOURS[_place(index) % len(marks.COLOURS)]


def dash(index: str) -> str:
    return palette.DASHES[_place(index) // len(marks.COLOURS) % len(palette.DASHES)]


def symbol(index: str) -> str:
    return SYMBOLS[_place(index) // len(marks.COLOURS) % len(SYMBOLS)]


def title(index: str) -> str:
    """What people call an index."""
    return index_row(index).get("title") or index


def slider(
    param: str, label: str, steps: Iterable[float], form: Callable[[float], str], **more: Any
) -> float:
    """The choice ``param`` among ``steps`` and what a link asked for between them."""
    options = sorted({*steps, value(param)})
    return st.select_slider(label, options, key=key(param), format_func=form, **more)


def switch(param: str, label: str, options: Mapping[str, str], **more: Any) -> str:
    """The choice ``param`` among a few: name -> what it is called."""
    more |= {"format_func": options.get, "required": True}
    return st.segmented_control(label, list(options), key=key(param), **more)


def said(words: str) -> None:
    """A sentence that reads a chart, larger than the text around it."""
    st.html(f'<p class="lab-said">{escape(words)}</p>')
