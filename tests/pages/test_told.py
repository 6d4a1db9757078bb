"""What goes wrong in a block of a page is said in its place, or kept for the run that follows."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from core.errors import UserError
    from pages.parts.words import telling

    def refused() -> None:
        with telling("kept"):
            raise UserError("No such name.", fix="Choose another.")

    with telling():
        st.markdown("before")
        raise UserError("It is full.", "At most 2 fit.", "Remove one.")
        st.markdown("never")
    st.markdown("after")
    st.button("Ask", on_click=refused)


def test_an_error_ends_its_block_and_nothing_else():
    app = AppTest.from_function(page, default_timeout=120).run()
    assert not app.exception
    assert [one.value for one in app.markdown] == ["before", "after"]
    (said,) = [one.proto.body for one in app.get("html")]
    assert "It is full." in said
    assert "At most 2 fit. Remove one." in said
    assert 'role="alert"' in said


def test_with_a_key_it_is_kept_for_the_run_that_follows():
    app = AppTest.from_function(page, default_timeout=120).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.session_state["kept"].given == "No such name."
