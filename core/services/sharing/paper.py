"""The frame of a page that travels: one file with its styles, pictures and script inside."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

WEB = Path(__file__).parent / "web"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""A browser refuses whatever the file would ask of a network."""


def page(title: str, sections: Sequence[str], lead: str = "", *, more: str = "") -> str:
    """A whole HTML document. ``sections`` are HTML; ``title`` and ``lead`` are plain text; ``more``
    names another style sheet and script that stand in it too."""
    files = ["paper", *([more] if more else [])]
    style, script = (
        "\n".join(WEB.joinpath(f"{file}.{kind}").read_text("utf-8") for file in files)
        for kind in ("css", "js")
    )
    told = f"<p class='lead'>{html.escape(lead)}</p>" if lead else ""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{style}</style>"
        f"<header><h1>{html.escape(title)}</h1>{told}</header>"
        f"<main>{''.join(sections)}</main><script>{script}</script></html>\n"
    )


def section(title: str, body: str, reading: str = "") -> str:
    """A part of a page; ``reading`` says in a sentence what its figures tell."""
    told = f"<p>{html.escape(reading)}</p>" if reading else ""
    return f"<section><h2>{html.escape(title)}</h2>{told}{body}</section>"


def picture(webp: bytes, alt: str) -> str:
    """A picture inside the file."""
    data = base64.b64encode(webp).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/webp;base64,{data}">'


def mark(drawn: dict[str, str]) -> str:
    """The mark of an encoder, see :func:`core.services.marks.mark`."""
    return (
        '<svg class="mark" viewBox="0 0 12 12" aria-hidden="true">'
        f'<path d="{drawn["path"]}" fill="{drawn["colour"]}"/></svg>'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 1) -> str:
    """A table that sorts by a click on its head. Cells are HTML, head and names are text; columns
    from ``numbers`` on hold figures. A cell may begin with ``<!--value-->``, by which it is
    sorted."""
    heads = "".join(
        f'<th scope="col"{" class=figure" if place >= numbers else ""}>{html.escape(one)}</th>'
        for place, one in enumerate(head)
    )
    body = "".join(f"<tr>{_cells(row, numbers)}</tr>" for row in rows)
    made = f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{made}</table></div>'


def _cells(row: Sequence[str], numbers: int) -> str:
    return "".join(
        f"<td{' class=figure' if place >= numbers else ''}>{cell}</td>"
        for place, cell in enumerate(row)
    )


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values, of a protocol for instance; both are text."""
    return (
        "<dl>"
        + "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in pairs)
        + "</dl>"
    )
