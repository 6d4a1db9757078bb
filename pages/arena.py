"""Arena: which encoder would people choose?"""

from pathlib import Path

import streamlit as st

from pages.parts import cached_metrics, url_state
from pages.parts.arena import judging, leading, place, results, start, voting
from pages.parts.guard import run
from pages.parts.shell import shell

STYLE = Path(__file__).parent / "parts" / "web" / "arena.css"


def main() -> None:
    actions = shell("Arena", "Blind votes: which of two unnamed lists is better for a query?")
    st.html(STYLE)
    if saved := st.session_state.pop("arena_saved", ""):
        cached_metrics.report_rows.clear()
        url_state.go("pages/metrics.py", {"report": saved})
    place.restore()
    url_state.tell(st.session_state[place.REMARKS])
    room = place.room()
    if room is not None:
        with actions:
            st.button("Leave", on_click=place.go, key="arena_leave")
    voting.told()
    if room is not None and st.session_state[place.RESULT] and place.over(room):
        results.show(room, "What the class prefers")
    elif room is not None and place.leads(room):
        leading.show(room)
    elif room is not None and room.kind == "alone":
        voting.alone(room)
    elif room is not None:
        st.fragment(voting.joined, run_every=1.5)(room.code, place.voter())
    elif st.session_state[place.JUDGE]:
        judging.show()
    else:
        start.panel()
    place.publish()


run(main, "Arena")
