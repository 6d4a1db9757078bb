"""Whose browser this is, on a public server: the key in its cookie, and a cookie where the server
in front sets none; what a visitor has here and until when, its deletion, and the operator's
entrance."""

import threading

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.services import visitors
from core.services.hosting import ownership
from core.services.hosting.settings import hosted
from core.services.hosting.web import COOKIE
from pages.parts import cached, press
from pages.parts.words import caption, count, note, quiet, size, telling

MAX_SESSIONS = 20_000
_keys: dict[str, str] = {}
"""Session -> key: a key stays with its session, whatever becomes of the connection."""
_unset: set[str] = set()
"""Sessions whose browser came without a key."""
_lock = threading.Lock()
_cookie = st.components.v2.component(
    "lookalike_visitor",
    js="""export default function ({ data }) {
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    const kept = `Path=/; SameSite=Lax; Max-Age=${data.seconds}${secure}`;
    document.cookie = `${data.name}=${data.key}; ${kept}`;
}""",
)


def browser_key() -> str | None:
    """The key of the browser that the script of this thread runs for; None outside of scripts."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    # Asked for hundreds of times by every run of a page, so without the lock: a thread that is
    # interrupted while it holds one keeps all others waiting for it, one after another.
    return _keys.get(context.session_id) or _first(context.session_id)


def _first(session: str) -> str:
    given = _sent(session)
    with _lock:
        if session not in _keys:
            _keys[session] = given or ownership.new_key()
            if given is None:
                _unset.add(session)
            while len(_keys) > MAX_SESSIONS:
                oldest = next(iter(_keys))
                _unset.discard(oldest)
                del _keys[oldest]
        return _keys[session]


def _sent(session: str) -> str | None:
    """What the browser's cookie said when it connected."""
    client = runtime.get_instance().get_client(session) if runtime.exists() else None
    try:
        given = client.client_context.cookies.get(COOKIE)
    except AttributeError:
        return None
    return given if isinstance(given, str) and ownership.is_key(given) else None


def remember() -> None:
    """Leave the key in a browser that came without one (tools/app.py sets the cookie before, where
    no script of a page can read it)."""
    if not hosted():
        return
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None and context.session_id in _unset:
        data = {"name": COOKIE, "key": browser_key(), "seconds": 400 * 86400}
        with st.container(key="visitor_cookie"):
            _cookie(data=data, key="visitor_cookie_set")


ownership.ask_by(lambda: browser_key())


SAID, TOKEN = "mine_said", "mine_token"
KINDS = {"uploads": "query picture", "datasets": "data set", "jobs": "job"}
KEPT_WHEN_DELETED = ("keep_dataset", "keep_build_dataset")


def panel() -> None:
    """Nothing where nobody is a stranger."""
    if not hosted():
        return
    if ownership.is_visitor():
        _things()
        _entrance()
    else:
        caption("You are the operator")
        quiet("You see and change what this server provides. What visitors brought stays theirs.")
        if press.button("Back to the visitor's view", key="mine_leave"):
            ownership.leave_admin(ownership.visitor_of(browser_key() or ""))
            st.rerun()


def _things() -> None:
    told = visitors.mine()
    caption("Yours on this server")
    if (said := st.session_state.pop(SAID, None)) is not None:
        note("Deleted.", said, "good")
    if not told["bytes"]:
        quiet(
            "Nothing yet. What you bring is seen by nobody else, and deleted"
            f" {told['hours']:g} hours after your last visit."
        )
        return
    held = [count(told[kind], noun) for kind, noun in KINDS.items() if told[kind]]
    quiet(
        f"{size(told['bytes'])}{': ' * bool(held)}{', '.join(held)}. Seen by nobody else unless you"
        f" share it, deleted {told['hours']:g} hours after your last visit."
    )
    with st.popover("Delete mine now"):
        quiet("Stops your jobs and deletes your pictures, data sets, builds and reports for good.")
        st.button("Delete all of it", key="mine_delete", type="primary", on_click=_delete)


def _delete() -> None:
    freed = visitors.delete_mine()
    for name in [name for name in st.session_state if name in KEPT_WHEN_DELETED]:
        del st.session_state[name]
    cached.forget_datasets()
    cached.forget_builds()
    st.session_state[SAID] = f"{size(freed)} freed; nothing of yours is left on this server."


def _entrance() -> None:
    if not ownership.has_entrance():
        return
    with st.popover("Operator"):
        with st.form("mine_entrance", border=False, clear_on_submit=True):
            token = st.text_input("Token", type="password", key=TOKEN, max_chars=400)
            entered = press.submit("Enter", width="stretch", key="mine_enter")
        if entered:
            with telling():
                ownership.become_admin(token)
                st.rerun()
