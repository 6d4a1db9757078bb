"""Whose browser this is, on a public server: the key in its cookie, and a cookie where the server
in front sets none."""

import threading

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.services.hosting import ownership
from core.services.hosting.settings import hosted
from core.services.hosting.web import COOKIE

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
