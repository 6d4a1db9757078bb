"""The controls of the Metrics page, and the protocol card of what they show."""

from html import escape

import streamlit as st

from core.errors import UserError
from core.metrics import table
from core.services.embedding.roles import CROSS_DOMAIN
from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import cells_of, method, seen_in_words
from pages.parts import cached, cached_metrics, given, palette, url_state
from pages.parts.choosing import menu, segments
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice, Entry
from pages.parts.words import caption, facts, quiet

HIDDEN = (
    "encoder causes",
    "versions",
    "encoder",
    "dimensions",
    "image size",
    "pooling",
    "index",
    "seen",
    "seen in words",
)

HELP = "The protocol card says it in full."
NO_LABELS = (
    "has no labels, so nothing says which hits are right; its page in the Library says how to get"
    " them."
)


def data_set() -> Entry | None:
    """The menu of data sets, and where several reports hold one the menu of these; None where there
    is neither a report nor a set with labels."""
    known = {one.key: one for one in choice.entries()}
    if not known:
        return None
    state = st.session_state
    wanted, report = state.get(choice.DATASET), state.get(choice.REPORT)
    if wanted and wanted not in known and (place := given.locator(wanted)):
        by_place = (one.key for one in known.values() if one.locator == place)
        state[choice.DATASET] = next(by_place, wanted)
        if state[choice.DATASET] not in known:
            title = cached.dataset(place).title or wanted
            url_state.refuse(choice.DATASET, wanted, f"{title} {NO_LABELS}")
    of_report = [one.key for one in known.values() if report in one.reports]
    evaluated = [one.key for one in known.values() if choice.FIRST_REPORT in one.reports]
    first = next(iter([*of_report, *evaluated, *known]))
    label = {key: one.label for key, one in known.items()}
    entry = known[menu("Data set", choice.DATASET, list(known), first, format_func=label.get)]
    if not entry.reports:
        state.pop(choice.REPORT, None)
    elif len(url_state.heal(choice.REPORT, entry.reports)) > 1:
        st.selectbox("Report", entry.reports, key=choice.REPORT)
    return entry


def panel(entry: Entry) -> Choice:
    """Protocol, metric, class; every choice is one of what the report holds."""
    name, dataset = st.session_state[choice.REPORT], entry.key
    rows = dict(choice.reports())
    report = cached_metrics.report(name, rows[name])
    protocols, key = choice.protocols_of(report, dataset), choice.PROTOCOL
    crossed = CROSS_DOMAIN in protocols
    if crossed:
        protocol = menu("Cross-domain", key, protocols, format_func=_asking, help=HELP)
    else:
        protocol = segments("Relevant: the same", key, protocols, help=HELP)
    usual = "hit@1" if crossed else "mAP"
    metrics = choice.metrics(report)
    shown = menu("Metric", choice.METRIC, metrics, usual, format_func=table.label)
    groups = [choice.EVERY, *sorted(set(cells_of(report, dataset, protocol)[0].groups.tolist()))]
    group = menu("Queries of", choice.GROUP, groups)
    _definition(shown)
    return Choice(
        name, rows[name], dataset, protocol, shown, None if group == choice.EVERY else group
    )


def _definition(metric: str) -> None:
    """The formula of a metric with the meaning of its terms."""
    said, terms = table.definition(metric)
    listed = "".join(f"<dt>{escape(term)}</dt><dd>{escape(words)}</dd>" for term, words in terms)
    st.html(f'<p class="ll-formula">{escape(said)}</p><dl class="ll-terms">{listed}</dl>')


def _asking(protocol: str) -> str:
    """A cross-domain protocol by whose queries it takes."""
    name = protocol.removeprefix(CROSS_DOMAIN).removeprefix("-")
    return f"queries of {name}" if name else "all queries"


def protocol_card(shown: Choice, cells: list[Cell]) -> None:
    """What has to stand beside a number so that somebody else can get it again."""
    card = cells[0].card
    caption("Protocol card", level=2)
    facts_of = {name: str(value) for name, value in card.items() if name not in HIDDEN}
    facts(list((facts_of | _seen(cells) | _statistics(shown)).items()))
    left_out = cached_metrics.report(shown.report, shown.stamp).left_out
    if left_out:
        with st.expander(f"Left out: {len(left_out)}"):
            for line in left_out:
                quiet(line)
    with st.expander("Encoders and versions"):
        for cell in cells:
            own = cell.card
            looks = f"{own['dimensions']}-d · {own['image size']} · pooling: {own['pooling']}"
            facts([(cell.encoder, looks)])
        facts(list(card["versions"].items()))


def _seen(cells: list[Cell]) -> dict[str, str]:
    """Which encoders were trained on the pictures; nothing in reports of before it was noted."""
    if not any(cell.card.get("seen") for cell in cells):
        return {}
    told = [
        f"{', '.join(map(palette.title, names))}: {words}"
        for words, names in seen_in_words(cells).items()
    ]
    return {"pictures seen in training": ". ".join(told) or "by none of these encoders"}


def _statistics(shown: Choice) -> dict[str, str]:
    """How intervals and ranks were made; nothing where the view says that there is none."""
    try:
        return method(cached_metrics.standings(shown.key, shown.metric, shown.group))
    except UserError:
        return {}
