"""What the browser has heard of the values that the pages put into widgets.

With every message the browser says the values of all widgets. Over a slow connection these are
older than what a page has put there since: a link that Back opened, an order that was changed. So
the last thing that a run draws is its number, in a widget that nobody sees, and the browser says
it with its next message. Of a widget that was set in a later run, a value that the browser has
said before, or that was told before, is nobody's choice and is left out; any other was chosen
meanwhile and stays. Either is told again: what is still on its way would replace it.

A browser may show a page whose session is gone: the server began anew, or the computer slept. What
is pressed there belongs to widgets that the new session has not drawn yet, and Streamlit drops it;
here the page is drawn first, all of it, and then hears of the press.

A value that a widget does not offer is left out, too. The page offers others since, or it was
written by hand; Streamlit would hand it to the page, which reads it before the widget is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.state import SessionState
from streamlit.runtime.state.common import unpack_widget_state_value, user_key_from_element_id
from streamlit.runtime.state.session_state import Value, WStates

MARK, KEPT = "heard", "heard_kept"
"""Keys: of the widget that holds the number of a run; of :class:`_Heard` in the session."""
KINDS = {
    f"{kind}_value"
    for kind in ("bool", "int", "double", "string", "int_array", "double_array", "string_array")
}
"""Kinds of values that a page may put into a widget."""
NUMBERS = {"int_value", "double_value"}
"""A browser says whole numbers as such, whatever kind Streamlit notes for the widget."""
PRESSES = {"trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value"}
"""Kinds of what happens once."""
TAKEN = {"file_uploader_state_value", "chat_input_value"}
"""Kinds that can be read once only."""
MOST_DIGITS = 12


@dataclass(slots=True)
class _Told:
    """Of a widget: the first run whose number says that this is known, the value, and what the
    browser may still say without that anybody chose it."""

    run: int
    value: object
    stale: set[object] = field(default_factory=set)

    def now(self, run: int, value: object) -> None:
        """Another value in place of the one before."""
        self.stale = (self.stale | {self.value}) - {value}
        self.run, self.value = run, value


@dataclass(slots=True)
class _Heard:
    """Number of the run, keys that it has written, what was told of widgets and not heard yet, what
    the browser said of all in its last message, and a message with a press that came before its
    widget was drawn (``early``)."""

    run: int = 0
    written: set[str] = field(default_factory=set)
    told: dict[str, _Told] = field(default_factory=dict)
    said: dict[str, object] = field(default_factory=dict)
    refused: bool = False
    early: WidgetStates | None = None


def begin() -> None:
    """Before a page is drawn."""
    listen()
    if (session := _session()) is not None:
        _of(session).run += 1


def end() -> None:
    """When a page was drawn to its end."""
    if (session := _session()) is not None:
        st.session_state[MARK] = str(_of(session).run)
        st.text_input("Number of the run", key=MARK, label_visibility="collapsed")
        _hear_early(session)


def _hear_early(session: SessionState) -> None:
    """The page runs again with what was pressed before its widgets were there."""
    heard, context = _of(session), get_script_run_ctx(suppress_warning=True)
    early, heard.early = heard.early, None
    if early is None or context is None or context.script_requests is None:
        return
    if any(_is_press(one) and session.get_widget_metadata(one.id) for one in early.widgets):
        again = RerunData(context.query_string, early, context.page_script_hash)
        context.script_requests.request_rerun(again)


def _is_press(said: WidgetState) -> bool:
    return said.WhichOneof("value") in PRESSES


def refused() -> bool:
    """Whether something was chosen that is not offered, since this was asked last."""
    if (session := _session()) is None:
        return False
    heard = _of(session)
    was, heard.refused = heard.refused, False
    return was


def _session() -> SessionState | None:
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_state._state


def _of_a_part() -> bool:
    """Whether only fragments are drawn, and no number."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and bool(context.fragment_ids_this_run)


def _of(session: SessionState) -> _Heard:
    return session._old_state.setdefault(KEPT, _Heard())


def listen() -> None:
    """See every message of this process before callbacks do: there is no setting for that. A server
    begins so; a page that it serves otherwise begins when it is drawn first."""
    if hasattr(SessionState, "_heard"):
        return
    begin, take = SessionState.on_script_will_rerun, SessionState.set_widgets_from_proto
    ask = AppSession.request_rerun

    def on_script_will_rerun(self: SessionState, *args: object, **more: object) -> None:
        _of(self).written = set(self._new_session_state) - {MARK}
        begin(self, *args, **more)

    def set_widgets_from_proto(self: SessionState, said: WidgetStates) -> None:
        wrong = {one.id for one in said.widgets if not _offered(self, one)}
        _of(self).refused |= bool(wrong)
        early = {
            one.id
            for one in said.widgets
            if _is_press(one) and self.get_widget_metadata(one.id) is None
        }
        if early:
            _of(self).early = said
        again, old = _weighed(self, _without(said, wrong))
        take(self, _without(said, wrong | old | early))
        for id in again | {id for id in wrong if _settable(self, id)}:
            self._new_session_state[user_key_from_element_id(id)] = self[id]

    def request_rerun(self: AppSession, asked: ClientState | None) -> None:
        if asked and asked.fragment_id and not _of(self.session_state).run:
            whole = ClientState()
            whole.CopyFrom(asked)
            whole.ClearField("fragment_id")  # no part was drawn yet
            asked = whole
        ask(self, asked)

    AppSession.request_rerun = request_rerun
    SessionState._heard = True
    SessionState.on_script_will_rerun = on_script_will_rerun
    SessionState.set_widgets_from_proto = set_widgets_from_proto


def _weighed(session: SessionState, said: WidgetStates) -> tuple[set[str], set[str]]:
    """Of the widgets of a message: those that are to be told again, and of these those whose values
    are none that anybody chose."""
    heard, again, old = _of(session), set(), set()
    values = {one.id: _value(one) for one in said.widgets if one.WhichOneof("value") in KINDS}
    _written(session, heard)
    run = _last_heard(said)
    heard.told = {id: one for id, one in heard.told.items() if one.run > run}
    if heard.run and not _of_a_part():
        heard.run += 1  # a callback's values, and those of a run that ends at once, belong to it
    for id in heard.told.keys() & values.keys():
        told, value = heard.told[id], values[id]
        if value == told.value:
            continue
        again.add(id)
        if value in told.stale:
            old.add(id)
            value = told.value
        told.now(heard.run, value)
    heard.said = values
    return again, old


def _offered(session: SessionState, said: WidgetState) -> bool:
    """Whether a widget, as it was drawn last, can have this value."""
    metadata, kind = session.get_widget_metadata(said.id), said.WhichOneof("value")
    if metadata is None or None in (metadata.value_type, kind):
        return True
    if kind != metadata.value_type and not {kind, metadata.value_type} <= NUMBERS:
        return False
    if kind in TAKEN:
        return True
    try:
        metadata.deserializer(value := unpack_widget_state_value(said))
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError):
        return False
    if kind not in KINDS:
        return True
    values = [value] if isinstance(value, str | int | float) else list(value)
    if not all(math.isfinite(one) for one in values if isinstance(one, float)):
        return False
    if (offered := metadata.formatted_options) is None:
        return True
    once = metadata.allow_url_duplicates or len(set(values)) == len(values)
    few = metadata.max_array_length is None or len(values) <= metadata.max_array_length
    return once and few and set(values) <= set(offered)


def _settable(session: SessionState, id: str | None) -> bool:
    """Whether a page may put a value into this widget, and it holds one."""
    metadata = session.get_widget_metadata(id or "")
    settable = metadata is not None and metadata.value_type in KINDS
    return settable and user_key_from_element_id(id) is not None and id in session


def _written(session: SessionState, heard: _Heard) -> None:
    """Note what the run before put into widgets."""
    for key in heard.written:
        id = session.get_widget_id_from_key(key)
        if not _settable(session, id):
            continue
        metadata = session.get_widget_metadata(id)
        shown = WStates({id: Value(session[id])}, {id: metadata}).get_serialized(id)
        told = heard.told.setdefault(id, _Told(heard.run, _value(shown)))
        told.stale |= {heard.said[id]} if id in heard.said else set()
        told.now(heard.run, _value(shown))


def _value(said: WidgetState) -> object:
    """What can be compared: an empty list has two spellings."""
    value = unpack_widget_state_value(said)
    return (value if isinstance(value, str | int | float | None) else tuple(value)) or None


def _last_heard(said: WidgetStates) -> int:
    """The number of the last run that the browser has heard to its end, 0 where it says none."""
    numbers = [one.string_value for one in said.widgets if user_key_from_element_id(one.id) == MARK]
    return max(
        (int(one) for one in numbers if one.isdecimal() and len(one) <= MOST_DIGITS), default=0
    )


def _without(said: WidgetStates, old: set[str]) -> WidgetStates:
    if not old:
        return said
    return WidgetStates(widgets=[one for one in said.widgets if one.id not in old])
