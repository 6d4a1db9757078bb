"""On a public server: what a visitor has here and until when, its deletion, and the operator's
entrance."""

import streamlit as st

from core.errors import UserError
from core.services import visitors
from core.services.hosting import ownership
from core.services.hosting.settings import hosted
from pages.parts import cached
from pages.parts.visitors import browser_key
from pages.parts.words import caption, count, note, quiet, size, trouble

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
        if st.button("Back to the visitor's view", key="mine_leave"):
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
            entered = st.form_submit_button("Enter", width="stretch", key="mine_enter")
        if entered:
            try:
                ownership.become_admin(token)
            except UserError as error:
                return trouble(error)
            st.rerun()
