"""Draws of the queries, and the interval that they fill."""

import streamlit as st

from core.services.teaching import certainty
from pages.parts import cached_learn, palette, url_state
from pages.parts.learn import dials, shown
from pages.parts.learn.predict import encoder_titles
from pages.parts.words import quiet

ENCODERS = (
    "siamese.lookalike",
    "resnet.lookalike",
    "vit.lookalike",
    "tf_efficientnet_lite0.in1k",
    "tf_efficientnet_lite2.in1k",
    "hog.8x8",
)
FACTS = {"vit": "vit.lookalike", "lite": "tf_efficientnet_lite0.in1k"}
DRAWS = "draws"
MOST_DRAWS = 1000


def measured() -> dict[str, str]:
    return cached_learn.means(FACTS, "mAP", ".3f")


def live() -> None:
    titles = encoder_titles(ENCODERS)
    key = dials.kept(DRAWS, 1, url_state.number(1, MOST_DRAWS))
    with st.container(horizontal=True, key="learn_dials", vertical_alignment="bottom"):
        one = dials.pick("one", "Encoder", ENCODERS, ENCODERS[1], titles.get)
        rest = tuple(name for name in ENCODERS if name != one)
        other = dials.pick("other", "Compared with", rest, ENCODERS[3], titles.get)
        products = dials.stops("products", "Products", (5, 10, 20, 40, 80, 136), 20)
        for count in (1, 100):
            st.button(
                f"Draw again{f', {count} times' if count > 1 else ''}",
                key=f"learn_draw_{count}",
                on_click=_more,
                args=(key, count),
            )
        st.button("Start again", key="learn_draw_none", on_click=_more, args=(key, 0))
    known = cached_learn.ask("certainty.certainty", one, other, products)
    draws = st.session_state[key]
    means, last = certainty.drawn(
        cached_learn.ask("certainty.measured", one, other, products), draws
    )
    shown.figures(
        [
            (f"{known.difference:+.3f}", f"mAP of {titles[one]} minus {titles[other]}"),
            (f"{known.low:+.3f} to {known.high:+.3f}", "95 % interval of the difference"),
            (f"{known.p:.3f}", "p-value, paired permutation test"),
            (f"{means[-1]:+.3f}", f"the difference in draw {draws:,}"),
        ],
        on=1,
    )
    _chart(means, known)
    shown.said(
        "Zero lies outside the interval: with these queries the difference is significant."
        if known.certain
        else "Zero lies in the interval: these queries do not say which is better."
    )
    _last(last, draws)


def _more(key: str, count: int) -> None:
    st.session_state[key] = min(st.session_state[key] + count, MOST_DRAWS) if count else 1


def _chart(means: tuple[float, ...], known: certainty.Certainty) -> None:
    tone, chart = palette.ink(), palette.figure(230)
    reach = max(abs(known.low), abs(known.high), *(abs(one) for one in means)) * 1.15 + 0.005
    chart.add_vrect(
        x0=known.low, x1=known.high, fillcolor=tone["accent"], opacity=0.14, line_width=0
    )
    chart.add_histogram(
        x=means,
        xbins={"start": -reach, "end": reach, "size": reach / 25},
        marker={"color": "#0072B2"},
        hovertemplate="%{x}: %{y} draws<extra></extra>",
    )
    chart.add_vline(x=0, line={"color": tone["ink"], "width": 2, "dash": "dash"})
    chart.add_vline(x=known.difference, line={"color": tone["accent"], "width": 3})
    chart.add_vline(x=means[-1], line={"color": "#E69F00", "width": 3})
    chart.update_xaxes(title={"text": "difference of the two mAP"}, range=[-reach, reach])
    chart.update_yaxes(
        title={"text": "draws"}, tickformat="d", nticks=4, dtick=1 if len(means) < 4 else None
    )
    palette.draw(chart, "learn_draws_chart", f"{len(means)} draws of the difference")
    quiet(
        "Band: the 95 % interval. Green: all queries. Orange: the last draw. Dashed: no difference."
    )


def _last(last: tuple[tuple[str, int], ...], draws: int) -> None:
    names = [
        f"{name.removeprefix('object ')} × {times}" if times > 1 else name.removeprefix("object ")
        for name, times in last
        if times
    ]
    missing = sum(not times for _, times in last)
    quiet(
        f"Draw {draws:,} holds {len(names)} products, some several times, and leaves {missing} out:"
        f" {', '.join(names[:14])}{' ...' if len(names) > 14 else '.'}"
    )
