"""The answer side of Compare: asks each encoder, the quickest first, and draws what is there while
others load or are at work."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from core.errors import UserError
from core.services.jobs import JobStatus
from core.services.search import admission, serving
from core.services.search.engines import RUNS, may_repeat
from core.services.search.result import SearchResult
from core.services.search.together import DEPTH
from core.services.search.together import together as joined
from pages.parts import asking, builds, cached, columns, components, press, refine, unread
from pages.parts.guard import guarded, hosted
from pages.parts.link import View
from pages.parts.words import count

OUTCOMES = "outcomes"
"""What this session knows of each question: ANSWERED, TIMED, or the UserError that it ended in."""
ANSWERED, TIMED = "answered", "timed"
MAX_OUTCOMES = 300
AT_ONCE_S = 0.25
"""Bundled encoders answer within this before the first drawing; others after it, as they come."""
CROWDED_S = 3.0
"""The same while several visitors wait for encoders."""
AT_ONCE = ("bundled", "packaged")
SIDES = {"S": 176, "M": 256, "L": 400}
"""Longest side of the pictures that are sent, in pixels, by the size that they are shown in."""
LOOK_S = 0.1
"""A page that waits for encoders looks so often for them, and for the person's doings."""


@dataclass
class Gathered:
    """Columns in the order asked; those that have answered, and these joined; those that still have
    to, the quickest first, and of these the ones that are not in memory yet (``loading``); and
    whether a build runs."""

    columns: list[dict] = field(default_factory=list)
    answers: dict[str, SearchResult] = field(default_factory=dict)
    together: SearchResult | None = None
    waiting: list[str] = field(default_factory=list)
    loading: list[str] = field(default_factory=list)
    busy: bool = False


def gather(view: View) -> Gathered:
    """Every column's state now. What is not in memory begins to load in the background."""
    _collect()
    version, found = cached.version(view.dataset), Gathered()
    blocked: dict[str, dict] = {}
    for name in view.shown:
        if (
            _outcome(view, version, name) is None
            and (state := _blocked(view, version, _row(name))) is not None
        ):
            blocked[name] = state
            found.busy |= state["state"] == "busy"
    left = [
        name for name in view.shown if name not in blocked and _outcome(view, version, name) is None
    ]
    for name in left:
        serving.begin(cached.dataset(view.dataset), name, view.index)
    if left and _may_ask(CROWDED_S):
        _ask_at_once(view, left)
    states = {
        name: blocked.get(name) or _settled(view, version, name, found) for name in view.shown
    }
    found.waiting.sort(key=lambda name: _takes_ms(view, name))
    found.columns = _columns(view, found.answers, states)
    if view.together and len(view.shown) > 1:
        found.columns.append(_together(view, version, found))
    return found


def finish(view: View, found: Gathered, *, more: Callable[[float], bool] | None = None) -> None:
    """The last call of a page: ask whom its drawing did not wait for, and draw again whenever there
    is something new.

    ``more`` waits so many seconds at most for something else that is being made, draws it in its
    place and says whether it has; None where nothing is made. Nothing of a page is held up
    meanwhile: whatever the person does interrupts it.
    """
    if not found.waiting or any(map(asking.under_way, _keys(view, found.waiting))):
        admission.line().leave()  # an encoder that takes long keeps nobody else waiting
    if found.waiting:
        _until_answered(view, found)
        st.rerun()
    if found.busy:  # the board looks by itself for what has changed
        return
    if _wait(view, found.loading, more):
        st.rerun()
    if _time_again(view, found):
        st.rerun()


def step(view: View, found: Gathered) -> bool:
    """For a board that draws itself again: ask the next one; whether one has answered."""
    if not found.waiting:
        return False
    _ask_next(view, found.waiting)
    return asking.wait_for(_keys(view, found.waiting), asking.HOLD_S)


def draw(view: View, found: Gathered, key: str, **more: object) -> tuple[str | None, list[str]]:
    """The board; returns the picture to search with and the actions pressed. ``more``: as
    :func:`components.board` takes it."""
    version = cached.version(view.dataset)
    told = [*found.answers.values(), *([found.together] if found.together else [])]
    shown = dict.fromkeys(hit.id for answer in told for hit in answer.hits)
    pictures = {id: cached.thumbnail(view.dataset, version, id, SIDES[view.size]) for id in shown}
    return components.board(found.columns, pictures, min(view.most, view.k), key, **more)


def act(view: View, action: str) -> None:
    """Do what a button in a column asks: build, cancel, ask once more, fetch what reads text."""
    verb, _, name = action.partition(":")
    if name not in view.encoders or unread.act(verb, name):
        return
    st.session_state.get(OUTCOMES, {}).pop(_key(view, cached.version(view.dataset), name), None)
    if verb == "build":
        builds.start(view.dataset, [name], view.index)
    elif verb == "cancel" and (job := builds.active(view.dataset, name)):
        builds.stop(job.id)


def _may_ask(seconds: float) -> bool:
    """Wait for this page's turn to search, so long at most; what the person does meanwhile ends the
    wait. Whether it has come."""
    return not hosted() or admission.line().enter(seconds, press.let_in)


def _ask_at_once(view: View, names: Sequence[str]) -> None:
    """Let those load that are not in memory, and ask the quick ones before anything is drawn."""
    began, dataset = time.monotonic(), cached.dataset(view.dataset)
    for name in names:
        serving.begin(dataset, name, view.index)
    left = [
        name for name in names if _row(name).get("tier") in AT_ONCE and not _under_way(view, name)
    ]
    begun: list[str] = []
    while left and (spare := began + _patience_s() - time.monotonic()) > 0:
        there = [one for one in left if _state(view, one) != "loading"]
        if not there:
            serving.wait(dataset, left, view.index, spare)
            continue
        name = min(there, key=lambda one: _takes_ms(view, one))
        left.remove(name)
        if _takes_ms(view, name) / 1000 < spare:
            _ask(view, name)  # a slow one is asked when the board stands: nothing greys behind it
            begun.append(name)
            asking.wait_for(_keys(view, [name]), min(spare, asking.HOLD_S))
    if begun:
        spare = began + _patience_s() - time.monotonic()
        asking.wait_for(_keys(view, begun), spare, all_of=True)
    _collect()


def _ask(view: View, name: str) -> None:
    """Ask one encoder in the background; its answer is kept."""
    wanted = _asked(view, cached.version(view.dataset), name, view.most, 1)
    [key] = _keys(view, [name])
    asking.begin(key, lambda: guarded(lambda: cached.answer(*wanted), name))


def _ask_next(view: View, names: Sequence[str]) -> None:
    """Ask the first of these that was not asked, once those before it hold it up no longer."""
    left = [name for name in names if not _under_way(view, name)]
    if left and asking.may_begin():
        _ask(view, left[0])


def _until_answered(view: View, found: Gathered) -> None:
    """Until one that waits has answered, or one that loads is in memory; where others wait for the
    processor, too, until all have answered: each drawing in between would keep them waiting."""
    dataset, keys = cached.dataset(view.dataset), _keys(view, found.waiting)
    known = st.session_state.get(OUTCOMES, {})
    while not any(key in known for key in keys):  # the board's own drawing may have asked
        if not (any(map(asking.under_way, keys)) or _may_ask(LOOK_S)):
            continue
        _ask_next(view, found.waiting)
        if asking.oldest_s() > CROWDED_S:
            admission.line().leave()
        press.let_in()
        crowd = _crowded()
        if asking.wait_for(keys, LOOK_S, all_of=crowd):
            if not crowd or all(map(asking.under_way, keys)):
                return
        elif found.loading and serving.wait(dataset, found.loading, view.index, 0.0):
            return


def _collect() -> None:
    """Keep how the questions went that were answered since."""
    for key, error in asking.collected().items():
        _keep(key, error or ANSWERED)


def _under_way(view: View, name: str) -> bool:
    return asking.under_way(_key(view, cached.version(view.dataset), name))


def _keys(view: View, names: Sequence[str]) -> list[tuple]:
    version = cached.version(view.dataset)
    return [_key(view, version, name) for name in names]


def _patience_s() -> float:
    """How long a drawing waits for answers. Where others wait for the processor, too, it is longer:
    what is drawn without answers is drawn once more with them, which keeps all of them waiting."""
    return CROWDED_S if _crowded() else AT_ONCE_S


def _crowded() -> bool:
    """Whether several visitors wait for answers; where there are none, they are one person's."""
    return hosted() and (admission.line().waited_for or asking.others())


def _settled(view: View, version: str, name: str, found: Gathered) -> dict | None:
    """Note where an unblocked encoder stands; its column, or None where its answer is drawn."""
    outcome = _outcome(view, version, name)
    if isinstance(outcome, UserError):
        return columns.failed(_row(name), outcome)
    if outcome is not None:
        found.answers[name] = _answer(view, version, name)
        return None
    if _state(view, name) == "loading":
        found.loading.append(name)
        return columns.loading(_row(name))
    found.waiting.append(name)
    return columns.waiting(_row(name))


def _wait(view: View, names: Sequence[str], more: Callable[[float], bool] | None) -> bool:
    """Until one of these encoders has loaded or failed (True), or ``more`` is drawn."""
    dataset = cached.dataset(view.dataset)
    while names or more:
        press.let_in()
        if names and serving.wait(dataset, names, view.index, 0.0 if more else LOOK_S):
            return True
        if more and more(LOOK_S):
            more = None
    return False


def _time_again(view: View, found: Gathered) -> bool:
    """Replace the times of first runs by medians where runs are quick; whether there are new
    ones. Not for visitors of a public server: others wait for the processor meanwhile."""
    if hosted():
        return False
    version, place, news = cached.version(view.dataset), st.empty(), False
    for name, answer in found.answers.items():
        place.empty()
        if (
            _outcome(view, version, name) == ANSWERED
            and answer.runs == 1
            and may_repeat(answer.timing_ms)
        ):
            _keep(_key(view, version, name), TIMED)
            try:
                news |= guarded(lambda name=name: _answer(view, version, name), name).runs > 1
            except UserError:  # what is drawn stays
                _keep(_key(view, version, name), ANSWERED)
    return news


def _row(name: str) -> dict:
    return cached.encoder_row(name) or {}


def _takes_ms(view: View, name: str) -> float:
    """About how long an answer takes; 0 where only asking tells."""
    return serving.query_ms(cached.dataset(view.dataset), name, view.index)


def _state(view: View, name: str) -> str:
    return serving.state(cached.dataset(view.dataset), name, view.index)


def _key(view: View, version: str, name: str) -> tuple:
    asked = view.dataset, version, view.query, name, view.index, view.most, view.where
    return *asked, view.box, view.asked, view.reranker(name)


def _answer(view: View, version: str, name: str) -> SearchResult:
    runs = RUNS if _outcome(view, version, name) == TIMED else 1
    return cached.answer(*_asked(view, version, name, view.most, runs))


def _asked(view: View, version: str, name: str, k: int, runs: int) -> tuple:
    """What :func:`cached.answer` is asked with."""
    about = view.dataset, version, view.query, name, view.index
    return *about, k, view.where, runs, view.box, view.asked, view.reranker(name)


def _ranks_before(view: View, name: str) -> dict[str, int] | None:
    """Ranks by id in an encoder's answer before the last step of refining; None where nothing was
    refined, or that answer was not seen."""
    asked, version = refine.before(), cached.version(view.dataset)
    if asked is None or asked == view.asked:
        return None
    last = replace(view, asked=asked)
    if _outcome(last, version, name) not in (ANSWERED, TIMED):
        return None
    return {hit.id: hit.rank for hit in _answer(last, version, name).hits}


def _outcome(view: View, version: str, name: str) -> str | UserError | None:
    return st.session_state.get(OUTCOMES, {}).get(_key(view, version, name))


def _keep(key: tuple, outcome: str | UserError) -> None:
    known = st.session_state.setdefault(OUTCOMES, {})
    known[key] = outcome
    while len(known) > MAX_OUTCOMES:
        known.pop(next(iter(known)))


def _columns(
    view: View, answers: dict[str, SearchResult], states: dict[str, dict | None]
) -> list[dict]:
    common, dataset = columns.Common.of(list(answers.values())), cached.dataset(view.dataset)
    return [
        state or columns.done(_row(name), answers[name], dataset, common, _ranks_before(view, name))
        for name, state in states.items()
    ]


def _together(view: View, version: str, found: Gathered) -> dict:
    """The column of all encoders, once every one that can has answered."""
    if found.waiting or found.loading or found.busy:
        return columns.joined_waiting(view.together)
    try:
        found.together = guarded(lambda: _joined(view, version, list(found.answers)), "Together")
    except UserError as error:
        return columns.joined_failed(view.together, error)
    common = columns.Common.of(list(found.answers.values()))
    before = _joined_before(view, version, list(found.answers))
    return columns.joined(found.together, cached.dataset(view.dataset), common, before)


def _joined(view: View, version: str, names: list[str]) -> SearchResult:
    """The answers of these encoders as one. Raises UserError."""
    depth, weight = max(view.most, DEPTH), dict(zip(view.encoders, view.weights, strict=True))
    answers = [cached.answer(*_asked(view, version, name, depth, 1)) for name in names]
    return joined(answers, view.together, [weight[name] for name in names], view.most)


def _joined_before(view: View, version: str, names: list[str]) -> dict[str, int] | None:
    """As :func:`_ranks_before`, of all encoders together."""
    if any(_ranks_before(view, name) is None for name in names):
        return None
    try:
        last = _joined(replace(view, asked=refine.before() or view.asked), version, names)
    except UserError:
        return None
    return {hit.id: hit.rank for hit in last.hits}


def _blocked(view: View, version: str, row: dict) -> dict | None:
    """The column of an encoder that can't be asked now: unavailable, or it or its index unbuilt."""
    name = row["name"]
    if view.asked.text and (state := unread.column(row)) is not None:
        return {**columns.head(row), **state}
    built = cached.built(view.dataset, version, name)
    lacking = built and cached.index_lacking(view.dataset, version, name, view.index)
    job = builds.active(view.dataset, name)
    # not where only another index is built
    if job and (lacking or not built or builds.what(job).get("index") == view.index):
        words = {
            "headline": "Building",
            "message": builds.progress_words(job),
            "actions": [["cancel", "Cancel"]],
        }
        return {**columns.head(row), "state": "busy", "progress": job.share, **words}
    if row["state"] == "unavailable":
        return {
            **columns.head(row),
            "state": "failed",
            "headline": "Not available here",
            "message": row["detail"],
        }
    if lacking:
        return {**columns.head(row), **_offer_index(view, row)}
    return None if built else {**columns.head(row), **_offer(view, version, row)}


def _offer(view: View, version: str, row: dict) -> dict:
    """A column that offers a build, with what it would cost and how the last try ended."""
    title = cached.dataset(view.dataset).title or view.dataset
    try:
        estimate = guarded(
            lambda: cached.estimate(view.dataset, version, row["name"]),
            f"The estimate for {row['name']}",
        )
    except UserError as error:
        return {
            "state": "failed",
            "headline": error.given,
            "message": f"{error.allowed} {error.fix}".strip(),
        }
    if estimate.missing:
        return {
            "state": "failed",
            "headline": "Something is missing",
            "message": " ".join(estimate.missing),
        }
    absent = row["state"] == "download"
    label = "Download and build" if absent else "Build"
    headline = estimate.changed or f"Not built for {title} yet"
    cost = builds.estimate_words(estimate, absent)
    return _unbuilt(builds.ended(view.dataset, row["name"]), headline, cost, label)


def _offer_index(view: View, row: dict) -> dict:
    """A column with vectors and without the index, whose build is too long to wait for."""
    vectors = count(len(cached.dataset(view.dataset).items), "vector")
    last = builds.ended(view.dataset, row["name"])
    last = last if last and builds.what(last).get("index") == view.index else None
    return _unbuilt(
        last, f"The index {view.index} is not built yet", f"{vectors} to index", "Build the index"
    )


def _unbuilt(last: JobStatus | None, headline: str, message: str, label: str) -> dict:
    """The offer of a build; where the ``last`` one did not end well, headed by that."""
    if last is not None and (said := builds.ending(last)):
        headline, message = said, f"{last.message} Left to do: {message}"
    return {
        "state": "unbuilt",
        "headline": headline,
        "message": message,
        "actions": [["build", label]],
    }
