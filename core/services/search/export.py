"""A comparison to take away: a table for a spreadsheet, a picture for a slide."""

import csv
import functools
import io
import json
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.hosting import ownership
from core.services.search import pictures
from core.services.search.compare import letters
from core.services.search.pictures import Edges
from core.services.search.result import IDENTICAL, Hit, SearchResult

COLUMNS = (
    "query",
    "box",
    "asked",
    "dataset",
    "part",
    "encoder",
    "index",
    "reranker",
    "rank",
    "before",
    "id",
    "label",
    "instance",
    "category",
    "split",
    "score",
    "verdict",
    "file",
    "letter",
    "path",
)
WHOLE = "all"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
PAPER, INK, MUTED, LINE, RIGHT, NEAR = (
    "#FAFAF7",
    "#1B1B1A",
    "#6B6A66",
    "#E6E4DD",
    "#0F6E66",
    "#B7791F",
)
TILE, GAP, EDGE, HEAD, MAX_ROWS = 252, 24, 32, 76, 20
WORDS = {"same": "✓ same", "category": "~ same category", "other": "× other", None: ""}
FONTS = ("DejaVuSans.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf")


def to_csv(answers: Sequence[SearchResult], query: str, where: Sequence[str] = ()) -> bytes:
    """One row a hit, UTF-8 with a byte order mark so that spreadsheets read it right.

    ``where`` is the part that was searched. The column ``box`` is the part of the query picture
    that was searched with, x0,y0,x1,y1 in fractions; empty = all of it. The column ``asked`` says
    what was asked with beside the picture.
    """
    out, shared, part = io.StringIO(), letters(answers), "; ".join(where) or WHOLE
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for answer in answers:
        for hit in answer.hits:
            row = (
                query,
                box_words(answer.box),
                answer.beside,
                answer.dataset,
                part,
                answer.encoder,
                answer.index,
                answer.reranker,
                hit.rank,
                hit.before,
                hit.id,
                hit.label,
                hit.instance,
                hit.category,
                hit.split,
                f"{hit.score:.6f}",
                hit.verdict,
                IDENTICAL if hit.identical else "",
                shared.get(hit.id),
                hit.id if ownership.is_visitor() else hit.path,
            )
            writer.writerow([_cell(value) for value in row])
    return ("\ufeff" + out.getvalue()).encode("utf-8", "replace")


def to_json(answers: Sequence[SearchResult], query: str, where: Sequence[str] = ()) -> bytes:
    """What ``compare --json`` says of each encoder, with the query, the part of the gallery that
    was searched and the box of the query that was searched with."""
    told = {
        "query": query,
        "where": list(where),
        "box": answers[0].box if answers else None,
        "answers": [plain(answer) for answer in answers],
    }
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def plain(answer: SearchResult) -> dict:
    """An answer in types that JSON has."""
    told = {
        "dataset": answer.dataset,
        "encoder": answer.encoder,
        "index": answer.index,
        "hits": [_plain(hit) for hit in answer.hits],
    }
    times = {
        "timing_ms": dict(answer.timing_ms),
        "runs": answer.runs,
        "usual": answer.usual,
        "far": answer.far,
    }
    more = {"left_out": answer.left_out, "remarks": list(answer.remarks), "score": answer.score}
    return {**told, **times, **more, **({"reranker": answer.reranker} if answer.reranker else {})}


def _plain(hit: Hit) -> dict:
    named = {"rank": hit.rank, "id": hit.id, "path": hit.path, "label": hit.label}
    before = {} if hit.before is None else {"before": hit.before}
    frame = {"frame": hit.frame} if hit.frame else {}
    return {**named, "score": hit.score, "identical": hit.identical, **before, **frame}


def to_png(
    dataset: Dataset,
    answers: Sequence[SearchResult],
    titles: Sequence[str],
    item_id: str | None = None,
    data: bytes | None = None,
    where: Sequence[str] = (),
) -> bytes:
    """The board as a PNG: the query at the left, one column an encoder, at most ``MAX_ROWS`` ranks;
    below, what was searched.

    Raises:
        UserError: nothing has been answered.
    """
    rows = min(max((len(answer.hits) for answer in answers), default=0), MAX_ROWS)
    if not rows:
        raise UserError(
            "There is no answer to export yet.", fix="Wait until an encoder has answered."
        )
    width = 2 * EDGE + (TILE + GAP) * (1 + len(answers)) - GAP
    height = 2 * EDGE + HEAD + rows * (TILE // 2 + 12) + 24
    page = Image.new("RGB", (width, max(height, HEAD + TILE + 3 * EDGE)), PAPER)
    draw, shared = ImageDraw.Draw(page), letters(answers)
    _query(page, draw, dataset, item_id, data, answers[0].box)
    for place, (answer, title) in enumerate(zip(answers, titles, strict=True), start=1):
        left = EDGE + place * (TILE + GAP)
        _head(draw, left, title, answer)
        for row, hit in enumerate(answer.hits[:rows]):
            _hit(
                page,
                draw,
                dataset,
                hit,
                shared.get(hit.id),
                left,
                EDGE + HEAD + row * (TILE // 2 + 12),
            )
    source = (
        f"Lookalike · {dataset.title or dataset.name} ({dataset.kind}) · {part_words(where)}index"
        f" {answers[0].index}"
    )
    source += " · a part of the query picture" if answers[0].box is not None else ""
    source += f" · {answers[0].beside}" if answers[0].beside else ""
    source += (
        " · the query is left out" if any(answer.left_out is not None for answer in answers) else ""
    )
    _write(draw, (EDGE, page.height - EDGE), _fit(source, 13, page.width - 2 * EDGE), 13, MUTED)
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def box_words(box: Edges | None) -> str:
    """``0.1,0.2,0.5,0.75``, as links and the option ``--box`` say it; empty for the whole
    picture."""
    return (
        ",".join(f"{edge:.4f}".rstrip("0").rstrip(".") for edge in box) if box is not None else ""
    )


def part_words(where: Sequence[str]) -> str:
    """``only category mug or ring · ``; empty for the whole gallery."""
    pairs = [condition.partition("=") for condition in where]
    said = " and ".join(f"{field} {values.replace('|', ' or ')}" for field, _, values in pairs)
    return f"only {said} · " if said else ""


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is shown as text instead."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _query(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    dataset: Dataset,
    item_id: str | None,
    data: bytes | None,
    box: Edges | None,
) -> None:
    _write(draw, (EDGE, EDGE), "Query", 19, INK)
    _write(draw, (EDGE, EDGE + 28), _fit(item_id or "your picture", 15, TILE), 15, MUTED)
    webp = (
        pictures.thumbnail_of(data, TILE)
        if data is not None
        else pictures.thumbnail(dataset, item_id or "", TILE)
    )
    left, top, wide, high = _paste(page, webp, (EDGE, EDGE + HEAD), TILE)
    if box is not None:
        x0, y0, x1, y1 = box
        edges = (
            left + x0 * (wide - 1),
            top + y0 * (high - 1),
            left + x1 * (wide - 1),
            top + y1 * (high - 1),
        )
        draw.rectangle(
            edges, outline=PAPER, width=5
        )  # paper around the frame: it stands out on any picture
        draw.rectangle(
            [edge + step for edge, step in zip(edges, (1, 1, -1, -1), strict=True)],
            outline=RIGHT,
            width=3,
        )


def _head(draw: ImageDraw.ImageDraw, left: int, title: str, answer: SearchResult) -> None:
    _write(draw, (left, EDGE), _fit(title, 19, TILE), 19, INK)
    time = answer.timing_ms
    spent = time.get("encode", 0.0) + time.get("preprocess", 0.0)
    second = f" + {time['rerank']:.1f} ({answer.reranker})" if answer.reranker else ""
    same = sum(hit.verdict == "same" for hit in answer.hits)
    known = f"{same}/{len(answer.hits)} same · " if any(hit.verdict for hit in answer.hits) else ""
    _write(
        draw,
        (left, EDGE + 28),
        f"{known}{spent:.1f} + {time.get('search', 0.0):.1f}{second} ms",
        15,
        MUTED,
    )
    draw.line((left, EDGE + HEAD - 14, left + TILE, EDGE + HEAD - 14), fill=LINE)


def _hit(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    dataset: Dataset,
    hit: Hit,
    letter: str | None,
    left: int,
    top: int,
) -> None:
    side, tone = TILE // 2, {"same": RIGHT, "category": NEAR}.get(hit.verdict or "", MUTED)
    _paste(page, pictures.thumbnail(dataset, hit.id, side), (left, top), side)
    _edge(draw, hit.verdict, left, top, side)
    right, room = left + side + 10, TILE - side - 10
    _write(draw, (right, top + 4), f"{hit.rank}.  {hit.score:.3f}", 15, INK)
    _write(draw, (right, top + 28), _fit(hit.instance or hit.label or hit.id, 14, room), 14, MUTED)
    _write(draw, (right, top + 50), _fit(WORDS[hit.verdict], 13, room), 13, tone)
    if hit.identical:
        _write(draw, (right, top + 106), _fit(IDENTICAL, 13, room), 13, INK)
    if letter:
        draw.ellipse((right, top + 76, right + 22, top + 98), fill=INK)
        draw.text((right + 11, top + 87), letter, font=_font(13), fill=PAPER, anchor="mm")


def _edge(draw: ImageDraw.ImageDraw, verdict: str | None, left: int, top: int, side: int) -> None:
    """Solid for the same, dashed for the same category, as on the page."""
    box = (left, top, left + side - 1, top + side - 1)
    if verdict == "same":
        draw.rectangle(box, outline=RIGHT, width=3)
    elif verdict == "category":
        far = side - 3
        for at in range(0, side - 5, 11):
            for x, y, wide, high in (
                (at, 0, 6, 2),
                (at, far, 6, 2),
                (0, at, 2, 6),
                (far, at, 2, 6),
            ):
                draw.rectangle((left + x, top + y, left + x + wide, top + y + high), fill=NEAR)


def _paste(
    page: Image.Image, webp: bytes, at: tuple[int, int], side: int
) -> tuple[int, int, int, int]:
    """Put a picture into the middle of a square; returns where it lies: left, top, width and height
    in pixels."""
    with Image.open(io.BytesIO(webp), formats=("WEBP",)) as image:
        fitted = ImageOps.contain(image.convert("RGB"), (side, side))
        left, top = at[0] + (side - fitted.width) // 2, at[1] + (side - fitted.height) // 2
        page.paste(fitted, (left, top))
        return left, top, fitted.width, fitted.height


def _fit(words: str, size: int, room: int) -> str:
    """Words cut to a width in pixels, on one line, with an ellipsis where something is missing."""
    clean = "".join(c if c.isprintable() else " " for c in words)[:300]
    font = _font(size)
    if font.getlength(clean) <= room:
        return clean
    while clean and font.getlength(clean + "…") > room:
        clean = clean[:-1]
    return clean + "…"


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], words: str, size: int, colour: str
) -> None:
    draw.text(at, words, font=_font(size), fill=colour)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of the system that knows many scripts, else the one that comes with Pillow."""
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
