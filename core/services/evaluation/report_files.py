"""A report for other programs: CSV, LaTeX, and run and qrels for trec_eval, with equal figures."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.datasets.base import Dataset
from core.metrics import stream, table
from core.services.embedding import stored
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import protocol_named, roles_for
from core.services.evaluation.leaderboard import (
    Standing,
    cells_of,
    leaderboard,
    metrics_of,
    seen_in_words,
)
from core.services.evaluation.reports import Report
from core.services.evaluation.seen import NONE

LATEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def csv(report: Report) -> str:
    """Every cell with the means of every metric."""
    return report.to_frame().to_csv(index=False, float_format="%.6f", lineterminator="\n")


def scores_csv(report: Report, dataset: str, protocol: str) -> str:
    """One row a query and encoder of one board: its class, what it was resampled with, R, and every
    score that was kept.

    Raises:
        UserError: no such board.
    """
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "query": cell.queries,
                "encoder": cell.encoder,
                "index": cell.index,
                "class": cell.groups,
                "resampled with": cell.clusters,
                "relevant": cell.relevant,
                **cell.scores,
            }
        )
        for cell in cells_of(report, dataset, protocol)
    ]
    return pd.concat(frames).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def latex(
    report: Report,
    dataset: str,
    protocol: str,
    metrics: Sequence[str] = ("mAP", "hit@1", "precision@10"),
) -> str:
    """A booktabs table of one board: mean with the half width of its interval; the best and all
    that share its rank in bold. A dagger marks encoders that have seen the pictures in training;
    comments say which."""
    boards = [leaderboard(report, dataset, protocol, metric) for metric in metrics]
    cells = [{(s.encoder, s.index): s for s in board.standings} for board in boards]
    of_board = cells_of(report, dataset, protocol)
    seen = {(cell.encoder, cell.index): cell.card.get("seen", "") for cell in of_board}
    lines = [rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}", r"\toprule"]
    lines += [
        " & ".join(["Encoder", *(_tex(table.label(metric)) for metric in metrics)]) + r" \\",
        r"\midrule",
    ]
    for standing in boards[0].standings:
        row = [column[standing.encoder, standing.index] for column in cells]
        name = _named(standing)
        saw = seen[standing.encoder, standing.index] not in ("", NONE)
        lines.append(
            " & ".join([_tex(name) + (r"$^\dagger$" if saw else ""), *(_number(s) for s in row)])
            + r" \\"
        )
    note = (
        f"{boards[0].queries} queries, 95 % bootstrap intervals over {boards[0].clusters}"
        " independent groups; bold: rank 1."
    )
    told = [
        f"% dagger: {', '.join(names)}: {words}" for words, names in seen_in_words(of_board).items()
    ]
    return "\n".join(
        [*lines, r"\bottomrule", r"\end{tabular}", f"% {dataset} / {protocol}: {note}", *told, ""]
    )


def markdown(
    report: Report,
    dataset: str,
    protocol: str,
    metrics: Sequence[str] = ("mAP", "hit@1", "precision@10"),
) -> str:
    """A Markdown table of one board: rank under the first metric, and means with the half width of
    their intervals.

    Raises:
        UserError: no such board.
    """
    kept = [name for name in metrics if name in metrics_of(report)] or metrics_of(report)[:1]
    boards = [leaderboard(report, dataset, protocol, metric) for metric in kept]
    cells = [{(s.encoder, s.index): s for s in board.standings} for board in boards]
    head = ["Rank", "Encoder", *(table.label(metric) for metric in kept)]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---:', '---', *['---:'] * len(kept)])}|"]
    for one in boards[0].standings:
        row = [column[one.encoder, one.index] for column in cells]
        means = [f"{s.mean:.3f} ± {(s.high - s.low) / 2:.3f}" for s in row]
        lines.append(f"| {one.rank} | `{_named(one)}` | {' | '.join(means)} |")
    note = f"{dataset} / {protocol}: {boards[0].queries} queries, 95 % bootstrap intervals."
    return "\n".join([*lines, "", note, ""])


def _named(one: Standing) -> str:
    return one.encoder if one.index == "exact" else f"{one.encoder} ({one.index})"


def _number(standing: Standing) -> str:
    text = f"{standing.mean:.3f}"
    half = f" {{\\scriptsize $\\pm$ {(standing.high - standing.low) / 2:.3f}}}"
    return (rf"\textbf{{{text}}}" if standing.rank == 1 else text) + half


def _tex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def trec_qrels(dataset: Dataset, encoder: str, protocol_name: str | None = None) -> Iterator[str]:
    """Lines ``query 0 picture 1`` of everything relevant, without queries that have none."""
    roles, names = _roles(dataset, encoder, protocol_name)[1:]
    gallery = np.array([names[row] for row in roles.gallery])
    for row in roles.queries:
        for name in gallery[(roles.right(row[None]) & ~roles.junk(row[None]))[0]]:
            yield f"{names[row]} 0 {name} 1\n"


def trec_run(
    dataset: Dataset, encoder: str, protocol_name: str | None = None, depth: int = 1000
) -> Iterator[str]:
    """Lines ``query Q0 picture rank score tag`` of the best ``depth``: self and junk removed.

    The score falls strictly with the rank, because trec_eval breaks ties by name in its own way.
    """
    vectors, roles, names = _roles(dataset, encoder, protocol_name)
    start = 0
    for block in stream.blocks(vectors, roles, min(depth, len(roles.gallery))):
        for row, columns in zip(roles.queries[start : start + len(block)], block.top, strict=True):
            for rank, column in enumerate(columns[columns >= 0], start=1):
                yield (
                    f"{names[row]} Q0 {names[roles.gallery[column]]} {rank} {depth - rank + 1}"
                    f" {encoder}\n"
                )
        start += len(block)


def _roles(
    dataset: Dataset, encoder: str, protocol_name: str | None
) -> tuple[np.ndarray, stream.Roles, list[str]]:
    """Vectors, roles and names without spaces, by row of the embeddings."""
    made = with_vectors(dataset, encoder).encoder
    found = stored.read(dataset, made)
    roles = roles_for(dataset, made, found, protocol_named(dataset, protocol_name))
    return found.vectors, roles, [_word(item.id) for item in stored.item_rows(dataset, found)]


def _word(name: str) -> str:
    """TREC files are split at white space: it is percent-encoded, as is the sign itself."""
    return "".join(
        f"%{ord(c):02X}" if c.isspace() or c == "%" or not c.isprintable() else c for c in name
    )
