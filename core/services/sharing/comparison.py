"""A comparison as one file: query, every column's pictures, agreement, how it was made."""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass

from core.datasets.base import Dataset
from core.errors import UserError
from core.services import marks
from core.services.hardware import hardware
from core.services.library.library import encoder_title
from core.services.search import pictures
from core.services.search.compare import agreement, letters
from core.services.search.export import box_words, part_words
from core.services.search.request import Query
from core.services.search.result import IDENTICAL, Hit, SearchResult
from core.services.search.together import METHODS
from core.services.sharing import paper

SIDE, QUERY_SIDE = 160, 440
"""Longest side of the pictures in the file, in pixels."""
WORDS = {"same": "same", "category": "same category", "other": "other", None: ""}


@dataclass(frozen=True, slots=True)
class _Board:
    """What the parts of the page are drawn from."""

    dataset: Dataset
    answers: Sequence[SearchResult]
    shared: dict[str, str]
    images: dict[str, bytes]

    @property
    def alone(self) -> list[SearchResult]:
        """The answers of single encoders."""
        return [answer for answer in self.answers if not answer.fused]

    def head(self, answer: SearchResult) -> str:
        if answer.fused:
            return f"Together: {html.escape(METHODS[answer.encoder.partition('(')[0]])}"
        drawn = marks.mark(answer.encoder, [one.encoder for one in self.alone])
        return f"{paper.mark(drawn)}{html.escape(encoder_title(answer.encoder))}"


def comparison_page(dataset: Dataset, query: Query, answers: Sequence[SearchResult]) -> str:
    """One HTML document with everything inside; no part of it asks a network for anything. One of
    the ``answers`` may be fused of the others: it has a column, and no part in the agreement.

    Raises:
        UserError: nothing has been answered, or the query can't be read any more.
    """
    made = parts(dataset, query, answers)
    source = dataset.title or dataset.name
    asked = query.item_id or query.name or "a picture"
    sections = [made.query, made.board, made.agreement, made.facts]
    return paper.page(f"{asked} in {source}", sections, made.lead)


@dataclass(frozen=True, slots=True)
class Parts:
    """A comparison as HTML, ``lead`` a sentence; ``agreement`` empty for a single encoder."""

    lead: str
    query: str
    board: str
    agreement: str
    facts: str


def parts(dataset: Dataset, query: Query, answers: Sequence[SearchResult]) -> Parts:
    """The parts of the document. Raises UserError as :func:`comparison_page`."""
    if not answers:
        raise UserError(
            "There is no answer to put into a report yet.",
            fix="Wait until an encoder has answered.",
        )
    ids = dict.fromkeys(hit.id for answer in answers for hit in answer.hits)
    images = {id: pictures.thumbnail(dataset, id, SIDE) for id in ids}
    board = _Board(dataset, answers, letters(answers), images)
    return Parts(
        _lead(board),
        _query(board, query),
        paper.section("Nearest pictures", _columns(board), _legend(answers)),
        _agreement(board) if len(board.alone) > 1 else "",
        paper.section("How it was made", _facts(board, query)),
    )


def _lead(board: _Board) -> str:
    answers = board.alone
    if not any(hit.verdict for answer in answers for hit in answer.hits):
        return f"{len(answers)} encoder{'s' * (len(answers) > 1)}, one picture, side by side."
    right = [sum(hit.verdict == "same" for hit in one.hits) for one in answers]
    same = [one for one, count in zip(answers, right, strict=True) if count == max(right)]
    names = " and ".join(encoder_title(one.encoder) for one in same)
    length = max(len(one.hits) for one in answers)
    return f"Most right among the first {length}: {names}, {max(right)} of {length}."


def _query(board: _Board, query: Query) -> str:
    webp = b""
    if query.data is not None:
        webp = pictures.thumbnail_of(query.data, QUERY_SIDE)
    elif query.item_id is not None:
        webp = pictures.thumbnail(board.dataset, query.item_id, QUERY_SIDE)
    box = board.answers[0].box
    frame = ""
    if box is not None:
        x0, y0, x1, y1 = (100 * edge for edge in box)
        edges = f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"
        frame = f'<div class="box" style="{edges}"></div>'
    first = board.answers[0]
    whole = "no picture of its own" if query.nothing else "the whole picture"
    told = [("Searched with", "a part of the picture" if box else whole)]
    told += [("Part of the gallery", part_words(first.where).removesuffix(" · "))] * bool(
        first.where
    )
    told += [("Asked with too", first.beside)] * bool(first.beside)
    told += [("Pictures searched", f"{first.searched:,}")]
    told += [("Left out", f"{first.left_out}, the query itself")] * (first.left_out is not None)
    shown = paper.picture(webp, "the query") if webp else ""
    return (
        f'<section class="asked"><div class="frame">{shown}{frame}</div>'
        f"<div><h2>Query</h2>{paper.facts(told)}</div></section>"
    )


def _columns(board: _Board) -> str:
    columns = "".join(_column(board, answer) for answer in board.answers)
    return f'<div class="board" style="--columns:{len(board.answers)}">{columns}</div>'


def _column(board: _Board, answer: SearchResult) -> str:
    same = sum(hit.verdict == "same" for hit in answer.hits)
    known = any(hit.verdict for hit in answer.hits)
    spent = answer.timing_ms["fuse"] if answer.fused else sum(answer.stages.values())
    time = f"{spent:.1f} ms on top" if answer.fused else f"{spent:.1f} ms"
    said = [f"{same}/{len(answer.hits)} same"] * known + [time]
    notice = (
        f'<p class="notice">{html.escape(". ".join(answer.notice))}</p>' if answer.notice else ""
    )
    hits = "".join(_hit(board, answer, hit) for hit in answer.hits)
    return (
        f'<div class="column"><div><h3>{board.head(answer)}</h3>'
        f"<small>{html.escape(' · '.join(said))}</small></div>"
        f'<div>{notice}</div><ol class="hits">{hits}</ol></div>'
    )


def _hit(board: _Board, answer: SearchResult, hit: Hit) -> str:
    name = hit.instance or hit.label or hit.id
    letter = board.shared.get(hit.id)
    circle = f'<span class="letter">{letter}</span>' if letter else ""
    words = WORDS[hit.verdict] + (f" · {IDENTICAL}" if hit.identical else "")
    if hit.before not in (None, hit.rank):
        words += f"{' · ' * bool(words)}was {hit.before}"
    alt = f"rank {hit.rank}: {name}{', ' + words if words else ''}"
    return (
        f'<li class="hit {hit.verdict or ""}" data-id="{html.escape(hit.id)}" tabindex="0"'
        f' title="{html.escape(hit.id)}">{paper.picture(board.images[hit.id], alt)}{circle}'
        f"<b>{hit.rank}</b> {answer.said(hit.score)}<i>{html.escape(name)}</i>"
        f"<i>{html.escape(words)}</i></li>"
    )


def _legend(answers: Sequence[SearchResult]) -> str:
    said = []
    if any(hit.verdict for answer in answers for hit in answer.hits):
        said.append("Solid edge: the same; dashed edge: the same category; no edge: another.")
    if len(answers) > 1:
        said.append("A letter marks a picture that several encoders found.")
    return " ".join([*said, "Scores of two encoders can't be compared."])


def _agreement(board: _Board) -> str:
    k = max(answer.k for answer in board.alone)
    found = agreement(board.alone, k)
    titles = [encoder_title(name) for name in found.encoders]
    rows = [
        [html.escape(title), *(f"{value:.2f}" for value in line)]
        for title, line in zip(titles, found.overlap, strict=True)
    ]
    reading = (
        f"Share of the top {k} that two encoders have in common: 1 is the same pictures, 0 none of"
        " them."
    )
    return paper.section("Agreement", paper.table(["", *titles], rows), reading)


def _facts(board: _Board, query: Query) -> str:
    dataset, first = board.dataset, board.answers[0]
    rows = [
        [
            board.head(answer),
            html.escape(answer.encoder),
            html.escape(" + ".join(one for one in (answer.index, answer.reranker) if one)),
            html.escape(answer.score),
            " + ".join(f"{stage} {ms:.1f}" for stage, ms in answer.stages.items()),
            "first run" if answer.runs == 1 else f"median of {answer.runs} runs",
        ]
        for answer in board.answers
    ]
    pairs = [
        ("Gallery", f"{dataset.title or dataset.name}, {len(dataset.items):,} pictures"),
        ("Gallery's fingerprint", dataset.fingerprint()),
        ("Box", box_words(first.box) or "none"),
        ("Hits asked for", str(first.k)),
        ("Machine", hardware()),
        ("Made", time.strftime("%Y-%m-%d %H:%M")),
    ]
    head = ["Encoder", "Name", "Index", "Score", "Milliseconds", "Times"]
    return paper.table(head, rows, numbers=6) + paper.facts(pairs)
