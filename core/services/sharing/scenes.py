"""What each page's view shows, drawn for a file that travels: a scene of a talk, as HTML.
``params`` are those of the view's link."""

import html
import math
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from core.datasets.base import Dataset
from core.errors import UserError
from core.services import marks
from core.services.arena import ballots
from core.services.arena.strength import standing
from core.services.embedding import opening
from core.services.evaluation import reports
from core.services.evaluation.leaderboard import boards, cells_of
from core.services.index_lab import curves
from core.services.library import library, names, uploads
from core.services.library.library import encoder_title
from core.services.maps import colours, maps
from core.services.maps import page as map_page
from core.services.search import pictures, together
from core.services.search.compare import compare
from core.services.search.request import Mix, Query, SearchRequest
from core.services.sharing import comparison, drawn, paper, standings, training
from core.services.sharing.talks import Scene, Talk
from core.services.specs import split_names, weights_of
from core.services.teaching import contests
from core.services.teaching.contests import Contender

Params = Mapping[str, str]
LESSONS = Path(__file__).parents[3] / "pages" / "parts" / "learn" / "lessons"
"""The words of the lessons, which are data."""
SIDE, LARGE = 120, 320


def body(scene: Scene) -> str:
    """The HTML of a scene; what can't be drawn here says why, and never ends the talk."""
    try:
        if scene.page not in DRAWN:
            raise UserError(f"There is no page {scene.page!r} whose view could be drawn.")
        return DRAWN[scene.page](scene.params)
    except UserError as error:
        said = " ".join(filter(None, (error.given, error.allowed, error.fix)))
        return f'<p class="notice">{html.escape(said)}</p>'


def dataset_of(params: Params) -> Dataset:
    """The data set that a view is of. Raises UserError."""
    there = {
        row["locator"]: row["name"] for row in library.dataset_rows() if row["state"] == "ready"
    }
    asked = params.get("dataset") or opening.FIRST_DATASET

    def likeness(locator: str) -> str:
        try:
            return library.open_dataset(locator).likeness
        except UserError:
            return ""

    found, _ = names.meant(asked, there, likeness)
    if found is None:
        name = asked.split(names.SIGN)[0]
        raise UserError(f"The data set {name!r} is not in this library.", fix="Add it first.")
    return library.open_dataset(found)


def _encoders(params: Params) -> list[str]:
    return split_names(params.get("encoders", "")) or list(opening.FIRST_ENCODERS)


def _compare(params: Params) -> str:
    dataset, query = dataset_of(params), _query(params.get("query", ""))
    if query is None:
        query = Query(item_id=next(item.id for item in dataset.items))
    if params.get("box"):
        query = Query(query.item_id, query.data, query.name, _box(params["box"]))
    plus, minus = (_pictures(params.get(sign, "")) for sign in ("plus", "minus"))
    request = SearchRequest(
        query,
        "",
        params.get("index") or opening.FIRST_INDEX,
        int(_number(params, "k") or 10),
        tuple(filter(None, [params.get("where", "")])),
        mix=Mix(plus, minus, params.get("text") or None),
        least=params.get("least") == "1",
        threshold=_number(params, "min"),
    )
    return _compared(dataset, request, params)


def _compared(dataset: Dataset, request: SearchRequest, params: Params) -> str:
    """The answers of all columns, each with the re-ranker of the view, joined if it joins them."""
    hidden = split_names(params.get("hide", ""))
    shown = [name for name in _encoders(params) if name not in hidden]
    pairs = [one.rpartition("~") for one in split_names(params.get("rerank", ""))]
    by = {encoder: name for encoder, _, name in pairs}
    asked = [replace(one, reranker=by.get(one.encoder, "")) for one in request.each(shown)]
    answers = list(compare(asked, dataset).answers)
    if (way := params.get("together")) and len(shown) > 1:
        given = weights_of(params.get("weights", ""))
        weights = () if isinstance(given, str) else given
        answers.append(together.fused(request.each(shown), dataset, way, weights))
    made = comparison.parts(dataset, request.query, answers)
    return made.query + made.board


def _number(params: Params, name: str) -> float | None:
    """A number of a link; None where the link leaves it out. Raises UserError."""
    try:
        value = float(params.get(name) or "nan")
    except ValueError as error:
        raise UserError(
            f"The link says {name} = {params[name][:40]!r}, which is no number."
        ) from error
    return value if math.isfinite(value) else None


def _query(text: str) -> Query | None:
    kind, _, name = text.partition(":")
    if kind == "up":
        return Query(data=uploads.read(name), name="an own picture")
    return Query(item_id=name) if name else None


def _pictures(text: str) -> tuple[Query, ...]:
    found = (_query(unquote(one)) for one in text.split(",") if one)
    return tuple(one for one in found if one is not None)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(one) for one in text.split(","))
    except ValueError as error:
        raise UserError(f"The box {text[:60]!r} can't be read.") from error
    return left, top, right, bottom


def _metrics(params: Params) -> str:
    report = reports.Report.load(reports.find(params.get("report") or "leaderboard"))
    board = _board(report, params.get("dataset", ""), params.get("protocol", ""))
    metric = params.get("metric") or "mAP"
    if params.get("view") == "Curves":
        return "".join(_curve(report, board, name) for name in ("precision@K", "recall@K"))
    return standings.board_body(report, board, metric)


def _board(report: reports.Report, dataset: str, protocol: str) -> tuple[str, str]:
    """The board of a link; what the link leaves out is the report's first."""
    known = [one for one in boards(report) if dataset in ("", one[0])]
    if not known:
        name = dataset.split(names.SIGN)[0]
        raise UserError(f"The report {report.name!r} has nothing on {name!r}.", fix="Evaluate it.")
    return next((one for one in known if one[1] == protocol), known[0])


def _curve(report: reports.Report, board: tuple[str, str], kind: str) -> str:
    cells = [cell for cell in cells_of(report, *board) if kind in cell.curves]
    beside = [cell.encoder for cell in cells]
    lines = [
        drawn.Line(
            encoder_title(cell.encoder),
            marks.mark(cell.encoder, beside)["colour"],
            [(float(k), float(y)) for k, y in enumerate(cell.curves[kind], 1)],
        )
        for cell in cells
    ]
    if not lines:
        raise UserError(f"The report {report.name!r} keeps no {kind}.")
    return drawn.curves(lines, "K", kind[:1].upper() + kind[1:])


def _map(params: Params) -> str:
    dataset, wanted = dataset_of(params), _encoders(params)[: map_page.MOST_MAPS]
    settings = {
        name: _number(params, name) or 0.0
        for name in maps.settings_of(params.get("map") or "aligned")
        if name in params
    }
    made = maps.drawn_together(wanted, params.get("map") or "aligned", settings, dataset)
    if missing := [maps.title(one.encoder) for one in made if maps.find(dataset, one) is None]:
        raise UserError(
            f"The map of {' and '.join(missing)} is not made yet.",
            fix="Open it once on the Map page.",
        )
    found = [maps.read(dataset, one) for one in made]
    field = params.get("colour") or next(iter(colours.fields(dataset)))
    chosen = params.get("classes", "").split("\n") if params.get("classes") else ()
    hues = [colours.colour(dataset, one, field, chosen) for one in found]
    drawings = "".join(
        f"<div><h3>{html.escape(maps.title(one.wanted.encoder))}</h3>"
        f"{drawn.dots(one.positions, hue, maps.title(one.wanted.encoder))}"
        f"<small>{html.escape(map_page.note(one))}; "
        f"{', '.join(f'{name} {value}' for value, name in map_page.figures(one))}</small></div>"
        for one, hue in zip(found, hues, strict=True)
    )
    return f'<div class="maps">{drawings}</div><p class="key">{drawn.key(hues[0])}</p>'


def _lab(params: Params) -> str:
    dataset, encoder = dataset_of(params), params.get("encoder") or opening.FIRST_ENCODERS[-1]
    asked = [one for one in params.get("indexes", "").split(";") if one]
    plan = curves.plan(dataset, encoder, asked, size=int(_number(params, "size") or 0), timed=False)
    if not plan.found:
        raise UserError("Nothing of this view has been measured here yet.", fix="Measure it first.")
    kinds = list(dict.fromkeys(point.index for point in plan.found))
    late, batch = params.get("time") == "p95", params.get("asked") == "batch"
    field = ("batch_" if batch else "") + ("p95" if late else "p50")
    lines = [
        drawn.Line(
            next(point.title for point in plan.found if point.index == kind),
            marks.COLOURS[place % len(marks.COLOURS)],
            _front([(getattr(one, field), one.recall) for one in plan.found if one.index == kind]),
        )
        for place, kind in enumerate(kinds)
    ]
    best = [
        max((p for p in plan.found if p.index == kind), key=lambda p: p.recall) for kind in kinds
    ]
    rows = [
        [
            html.escape(p.title),
            html.escape(p.text),
            f"{p.recall:.3f}",
            f"{p.p50:.3f}",
            f"{p.p95:.3f}",
        ]
        for p in best
    ]
    head = ["Index", "Setting", f"recall@{plan.k}", "p50, ms", "p95, ms"]
    across = f"milliseconds of a query, {'in batches' if batch else 'one at a time'}"
    body = drawn.curves(lines, across, f"recall@{plan.k}", logarithmic=True)
    made = f"<p>{html.escape(encoder_title(encoder))}, {plan.size:,} vectors.</p>"
    return made + body + paper.table(head, rows, numbers=2)


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, by rising time, that find more than every faster one."""
    kept: list[tuple[float, float]] = []
    for ms, recall in sorted(points):
        if not kept or recall > kept[-1][1]:
            kept.append((ms, recall))
    return kept


def _arena(params: Params) -> str:
    room = ballots.room(params.get("room", ""))
    known = {(room.code, one.number): one for one in ballots.rounds(room.code)}
    found = standing(list(room.encoders), known, ballots.votes([room.code]))
    if not found.votes:
        raise UserError("Nobody has voted in this room yet.", fix="Vote, then make the file again.")
    rows = [
        [
            paper.mark(marks.mark(one.encoder, room.encoders))
            + html.escape(encoder_title(one.encoder)),
            str(one.rank),
            f"{one.share:.0%}",
            f"<!--{one.low}-->{one.low:.0%} – {one.high:.0%} "
            + drawn.interval(one.low, one.share, one.high),
            f"{one.wins} / {one.ties} / {one.losses}",
        ]
        for one in found.strengths
    ]
    alpha = "" if found.alpha is None else f" Krippendorff's alpha {found.alpha:.2f}."
    said = (
        f"{found.votes} votes by {found.voters} people on {found.rounds} rounds. Preferred: the"
        f" chance to be preferred to another one (Bradley-Terry), with its 95 % interval.{alpha}"
    )
    head = ["Encoder", "Rank", "Preferred", "95 % interval", "Won / equal / lost"]
    return f"<p>{html.escape(said)}</p>{paper.table(head, rows)}"


def _train(params: Params) -> str:
    if not params.get("run"):
        raise UserError("A scene of Train shows what a run changed.", fix="Open a run, and add it.")
    return "".join(training.sections(params["run"]))


def _home(params: Params) -> str:
    return _compare({"k": "5", "query": f"item:{opening.FIRST_ITEM}"})


def _library(params: Params) -> str:
    rows = [
        [html.escape(row["title"]), html.escape(row["name"]), f"{row['pictures']:,}"]
        for row in library.dataset_rows()
        if row["state"] == "ready"
    ]
    return paper.table(["Data set", "Name", "Pictures"], rows, numbers=2)


def _learn(params: Params) -> str:
    file = LESSONS / f"{Path(params.get('lesson', '')).name}.toml"
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"There is no lesson {params.get('lesson', '')[:60]!r}.") from error
    steps = "".join(f"<li>{html.escape(one)}</li>" for one in told["try"] if "{" not in one)
    asked = told["predict"]["ask"]
    question = f"<p class='ask'>{html.escape(asked)}</p>" if "{" not in asked else ""
    return (
        f"<p class='lead'>{html.escape(told['purpose'])}</p><ol class='steps'>{steps}</ol>"
        f"{question}{_contest(told['predict'])}"
    )


def _contest(told: dict) -> str:
    """The first round of a lesson's prediction, with what the system answers."""
    dataset = library.open_dataset(opening.FIRST_DATASET)
    contenders = [Contender.parse(one) for one in told["contenders"]]
    wanted = told["measure"], told.get("k", 5)
    query = contests.rounds(dataset, contenders, *wanted)[0]
    results = contests.play(dataset, contenders, wanted[0], query, wanted[1])
    called = told.get("names") or [encoder_title(one.encoder) for one in contenders]
    own = "" if query.startswith(contests.SAMPLE) else _picture(dataset, query, LARGE)
    shown = f"<div class='frame'>{own}</div>" if own else ""
    rows = "".join(
        f"<div class='answer'><div><b>{html.escape(name)}</b><small>{'✓ ' if one.won else ''}"
        f"{html.escape(one.said)}</small></div><ol class='hits'>"
        + "".join(
            f'<li class="hit {hit.verdict or ""}">{_picture(dataset, hit.id, SIDE)}</li>'
            for hit in one.hits
        )
        + "</ol></div>"
        for name, one in zip(called, results, strict=True)
    )
    return (
        f"<div class='contest'>{shown}<details><summary>What the system answers</summary>"
        f"{rows}</details></div>"
    )


def _picture(dataset: Dataset, id: str, side: int) -> str:
    return paper.picture(pictures.thumbnail(dataset, id, side), id)


DRAWN: dict[str, Callable[[Params], str]] = {
    "Home": _home,
    "Compare": _compare,
    "Map": _map,
    "Metrics": _metrics,
    "Index lab": _lab,
    "Learn": _learn,
    "Arena": _arena,
    "Train": _train,
    "Library": _library,
}


KEYS = (
    ("→ ←", "next and previous scene"),
    ("R", "reveal what the system answers"),
    ("N", "notes of the speaker"),
    ("P", "present, or read all scenes one below the other"),
    ("Home End", "first and last scene"),
)


def talk_page(talk: Talk) -> str:
    """One HTML document of every scene, in order.

    Raises:
        UserError: the talk has no scene.
    """
    if not talk.scenes:
        raise UserError("The talk has no scene yet.", fix="Press Add to talk on any page.")
    count = len(talk.scenes)
    drawn = [_scene_article(place, scene, count) for place, scene in enumerate(talk.scenes, 1)]
    keys = "".join(f"<dt>{key}</dt><dd>{html.escape(words)}</dd>" for key, words in KEYS)
    drawn.append(f'<nav class="steps" aria-label="Scenes"><dl>{keys}</dl></nav>')
    made = time.strftime("%Y-%m-%d")
    lead = f"{count} scene{'s' * (count > 1)}, made on {made}. P presents, N shows the notes."
    return paper.page(talk.scenes[0].title, drawn, lead, more="talk")


def _scene_article(place: int, scene: Scene, count: int) -> str:
    title = html.escape(scene.title)
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in scene.notes.splitlines() if line)
    told = f'<aside class="notes" hidden aria-label="Notes">{notes}</aside>' if notes else ""
    return (
        f'<article class="scene" id="{place}" aria-label="Scene {place} of {count}">'
        f"<h1>{title}<small>{html.escape(scene.page)} · {place} / {count}</small></h1>"
        f"<div class='stage'>{body(scene)}</div>{told}</article>"
    )
