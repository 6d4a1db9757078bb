"""A build for one data set: choose encoders, see what it would cost, start."""

import streamlit as st

from core.errors import UserError
from core.services.embedding.build import Estimate
from pages.parts import builds, cached, given, press, settings, url_state
from pages.parts.encoder_names import meant
from pages.parts.guard import guarded
from pages.parts.words import caption, facts, note, quiet, size, telling, trouble

ENCODERS, INDEX = "keep_build_encoders", "keep_build_index"
CONTENT = "keep_build_content"
CONTENT_HELP = (
    "A build goes by the size and time of each file. This reads every file and encodes those again"
    " whose content has changed while size and time stayed the same."
)


def panel(row: dict) -> None:
    """Encoders and index of a build, its estimate, and the button."""
    caption("Build", level=2)
    locator = row["locator"]
    chosen = [
        name for name in meant(st.session_state.get(ENCODERS, [])) if cached.encoder_row(name)
    ]
    url_state.put(ENCODERS, chosen)
    encoders = settings.encoders(
        "Encoders", settings.with_chosen(settings.listed(), chosen), ENCODERS, [locator]
    )
    indexes = {row["name"]: row["title"] or row["name"] for row in cached.index_rows()}
    if st.session_state.get(INDEX) not in indexes:
        st.session_state[INDEX] = given.FIRST_INDEX
    index = st.selectbox("Index", list(indexes), key=INDEX, format_func=indexes.__getitem__)
    if not encoders:
        quiet("A build encodes every picture of a data set once. A search then takes milliseconds.")
        return
    _offer(locator, encoders, index)


def _offer(locator: str, encoders: list[str], index: str) -> None:
    version = cached.version(locator)
    try:
        costs = [
            guarded(
                lambda n=name: cached.estimate(locator, version, n, probe=True),
                f"The estimate for {name}",
            )
            for name in encoders
        ]
    except UserError as error:
        trouble(error)
        return
    missing = list(dict.fromkeys(words for cost in costs for words in cost.missing))
    for words in missing:
        note("Something is missing.", words, tone="bad")
    todo = max(cost.to_encode for cost in costs)
    _costs(costs, todo)
    running = any(builds.active(locator, name) for name in encoders)
    check = st.checkbox("Check file contents first", key=CONTENT, help=CONTENT_HELP)
    label = _label(running, todo, check)
    idle = bool(missing or running or not (todo or check))
    if press.button(label, type="primary", width="stretch", disabled=idle, key="build"):
        with telling():
            builds.start(locator, encoders, index, check_content=check)
            st.rerun()


def _costs(costs: list[Estimate], todo: int) -> None:
    """What the build of all encoders would take; ``todo`` pictures are not encoded yet."""
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    facts(
        [
            ("To encode", f"{todo:,} of {costs[0].pictures:,}"),
            (
                "Time",
                builds.about(sum(known)) if known and todo else "not known yet" if todo else "none",
            ),
            ("Memory", size(max(cost.ram_bytes for cost in costs))),
            ("Disk", size(sum(cost.disk_bytes for cost in costs))),
            (
                "Download",
                (
                    size(sum(cost.download_bytes for cost in costs))
                    if any(c.download_bytes for c in costs)
                    else "none"
                ),
            ),
        ]
    )


def _label(running: bool, todo: int, check: bool) -> str:
    """What the button says."""
    if running:
        return "Being built"
    if todo:
        return "Build"
    return "Check contents" if check else "Already built"
