"""Pictures, figures and bars as lessons show them; whatever is text is escaped here."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.services.search.request import item_of
from core.services.search.result import verdict
from core.services.teaching.contests import Found
from pages.parts import cached, palette
from pages.parts.cached_learn import gallery
from pages.parts.words import saveable

SIGNS = {"same": "✓", "category": "~", "other": "✕", "missed": "missed", "asked": ""}
SAID = {
    "same": "the same product",
    "category": "another product of its category",
    "other": "something else",
    "missed": "missed",
    "asked": "the query",
}
KEY = (
    '<div class="ll-key"><span><i></i>✓ the same product</span><span><i class="near"></i>~ another'
    ' product of its category</span><span><i class="none"></i>✕ something else</span></div>'
)


def name_of(id: str) -> str:
    """What a picture of the gallery is called: ``mug 15, view 0``."""
    item = item_of(cached.dataset(gallery()[0]), id)
    product = (item.instance or item.id).replace("-", " ")
    view = item.value("view")
    return product if view is None else f"{product}, view {view}"


def picture(id: str, side: int = 176) -> str:
    """A picture of the gallery as a data URI."""
    return cached.thumbnail(*gallery(), id, side)


def figure(uri: str, alt: str, look: str = "", caption: str = "", missed: str = "missed") -> str:
    """One picture with its edge and sign. ``look`` is a key of ``SIGNS``."""
    text = missed if look == "missed" else SIGNS.get(look, "")
    sign = f"<b aria-hidden='true'>{text}</b>" if text else ""
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    told = f"{alt}, {missed if look == 'missed' else SAID[look]}" if look in SAID else alt
    return (
        f'<figure class="learn-hit {look}"><img src="{uri}" alt="{escape(told, quote=True)}">'
        f"{sign}{words}</figure>"
    )


def hits_html(hits: Sequence[Found], captions: Sequence[str] = (), missed: str = "missed") -> str:
    """Pictures of an answer, best first; ``missed`` is what stands on those that are faded."""
    said = list(captions) or [""] * len(hits)
    return '<div class="learn-hits">{}</div>'.format(
        "".join(
            figure(
                picture(hit.id),
                f"Rank {rank}: {name_of(hit.id)}",
                "missed" if hit.missed else hit.verdict or "",
                words,
                missed,
            )
            for rank, (hit, words) in enumerate(zip(hits, said, strict=True), start=1)
        )
    )


def answer_html(name: str, said: str, inner: str, mark: str = "", won: bool = False) -> str:
    """A line of a table of answers: who at the left, what it found at the right."""
    tone = ' class="won"' if won else ""
    return (
        f'<div class="learn-answer"><div class="who"><b>{mark}<span dir="auto">{escape(name)}'
        f"</span></b><span{tone}>{'✓ ' if won else ''}{escape(said)}</span></div>{inner}</div>"
    )


def answers(lines: Sequence[str]) -> None:
    st.html(f'<div class="learn-answers"{saveable("Answers")}>{"".join(lines)}</div>')


def query(id: str, caption: str = "") -> None:
    """The picture that is asked with."""
    name = name_of(id)
    st.html(
        f'<figure class="learn-query"><img src="{picture(id, 320)}" alt="{escape(name)}">'
        f"<figcaption>{escape(caption or f'The query: {name}')}</figcaption></figure>"
    )


def said(words: str) -> None:
    """The sentence that says what is to be seen."""
    st.html(f'<p class="learn-said" role="status">{escape(words)}</p>')


def figures(cells: Sequence[tuple[str, ...]], on: int = 0) -> None:
    """Large numbers with what they are, and what has changed; the one at ``on`` stands out."""
    made = "".join(
        f"<div{' class=on' if place == on else ''}><b>{escape(value)}"
        f"{f'<small>{escape(by[0])}</small>' if by and by[0] else ''}</b>"
        f"<span>{escape(words)}</span></div>"
        for place, (value, words, *by) in enumerate(cells)
    )
    st.html(f'<div class="learn-figures">{made}</div>')


def bars(rows: Sequence[tuple[str, float, str, str]]) -> None:
    """Encoders as bars: (encoder, share from 0 to 1, what the number says, a remark)."""
    lines = []
    for encoder, share, words, remark in rows:
        wide = 100 * min(max(share, 0.0), 1.0)
        lines.append(
            f'<div class="learn-bar"><span>{palette.mark_html(encoder)} '
            f"{escape(palette.title(encoder))}</span>"
            f'<span class="track"><i style="width:{wide:.1f}%;--c:{palette.colour(encoder)}"></i>'
            f"</span><b>{escape(words)}</b>"
            f"{f'<small>{escape(remark)}</small>' if remark else ''}</div>"
        )
    said = [(palette.title(encoder), share, words) for encoder, share, words, _ in rows]
    kept = saveable("Encoders as bars", ("encoder", "share", "value"), said)
    st.html(f"<div{kept}>{''.join(lines)}</div>")


def gap_html(positive: float, negative: float, most: float) -> str:
    """Two distances as bars, that of the positive first."""
    rows = "".join(
        f'<span>{name}</span><span class="track"><i class="{look}" style="width:'
        f'{100 * min(value / most, 1):.1f}%"></i></span><b>{value:.2f}</b>'
        for name, look, value in (
            ("to the positive", "good", positive),
            ("to the negative", "bad", negative),
        )
    )
    return f'<div class="learn-gap">{rows}</div>'


def changes(rows: Sequence[tuple[str, float, float]], colour: str) -> None:
    """Values from 0 to 1 before and after, a bar each, one over the other."""
    lines = "".join(
        f'<div class="learn-change"><span>{escape(name)}</span><span class="track"><i class="was"'
        f' style="width:{100 * before:.1f}%"></i><i style="width:{100 * after:.1f}%;--c:{colour}">'
        f"</i></span><b>{before:.2f} → {after:.2f}</b></div>"
        for name, before, after in rows
    )
    kept = saveable("Before and after", ("value", "before", "after"), rows)
    st.html(f'<div class="learn-changes"{kept}>{lines}</div>')


def verdict_of(query: str, hit: str) -> str | None:
    """What one picture of the gallery is to another."""
    found = cached.dataset(gallery()[0])
    return verdict(item_of(found, query), item_of(found, hit))
