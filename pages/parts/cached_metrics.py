"""The caches of the Metrics page: reports, and what is worked out from them."""

from core.errors import UserError
from core.services import journey, saved_reports
from core.services.evaluation import (
    audit,
    crossing,
    leaderboard,
    perturb,
    report_files,
    reports,
    worth,
)
from core.services.evaluation import fused as lists
from core.services.evaluation import gains as second_looks
from core.services.evaluation import studies as closer
from pages.parts import caches
from pages.parts.cached import FOLLOW_BUILDS, SHORT, data_uri, dataset, dataset_rows

Board = tuple[str, float, str, str]
"""Name and stamp of a report, and of a board in it the data set and the protocol."""


@caches.data(max_entries=2, ttl=SHORT)
def report_rows() -> list[tuple[str, float]]:
    """Names of the reports with the time of their last change."""
    return [
        (name, (reports.find(name) / "report.json").stat().st_mtime) for name in reports.listing()
    ]


@caches.resource(max_entries=1, ttl=SHORT)
def subject_worth() -> worth.Worth | None:
    """What a box on the subject is worth, as it came with the code."""
    return worth.measured()


@caches.data(max_entries=2, ttl=SHORT)
def damaged_reports() -> list[str]:
    """Names of the user's own reports that can't be read any more."""
    return saved_reports.damaged()


@caches.data(max_entries=60)
def report_sets(name: str, stamp: float) -> dict[str, str]:
    """The data sets of a report with the hash of their pictures, without reading its scores."""
    try:
        rows = saved_reports.rows(name)
    except UserError:  # deleted a moment ago
        return {}
    return {row["dataset"]: str(row["card"].get("dataset hash", "")) for row in rows}


@caches.data(max_entries=100, ttl=SHORT)
def is_of(locator: str, version: str, content: str) -> bool:
    """Whether a report with this hash of pictures is about a data set of its name."""
    return journey.is_of(dataset(locator), content)


@caches.resource(max_entries=6)
def report(name: str, stamp: float) -> reports.Report:
    """A saved report. Raises UserError."""
    return reports.Report.load(reports.find(name))


@caches.resource(max_entries=60)
def gains(name: str, stamp: float, metric: str) -> list[dict]:
    """What each re-ranker and fusion of a report is worth; empty where it has none."""
    return second_looks.gain_rows(second_looks.gains_or_none(report(name, stamp), metric))


@caches.data(max_entries=1, ttl=SHORT)
def measured_gains() -> list[dict]:
    """The same of what came with the code, each with its metric."""
    return second_looks.measured()


def _of(board: Board) -> tuple[reports.Report, str, str]:
    """Its report, and which board of it this is. Raises UserError."""
    name, stamp, dataset, protocol = board
    return report(name, stamp), dataset, protocol


@caches.resource(max_entries=300)
def standings(board: Board, metric: str, group: str | None) -> leaderboard.Leaderboard:
    """The leaderboard of one board under one metric. Raises UserError."""
    found, *which = _of(board)
    return leaderboard.standings(found, reports.find(board[0]), *which, metric, group)


@caches.resource(max_entries=300)
def means(board: Board, metric: str, group: str | None) -> dict[tuple[str, str], float]:
    """(encoder, index) -> mean, for a column that needs no interval. Raises UserError."""
    return leaderboard.means_of(*_of(board), metric, group)


@caches.resource(max_entries=100)
def class_table(board: Board, metric: str) -> tuple:
    """Class names, means (classes, encoders) and queries of each class. Raises UserError."""
    cells = leaderboard.cells_of(*_of(board))
    scores, ids, groups, _ = leaderboard.aligned(cells, metric)
    if not len(ids):
        raise leaderboard.nothing_to_evaluate(cells[0])
    return leaderboard.by_class(scores, groups)


@caches.resource(max_entries=100)
def separation(
    board: Board, one: str, other: str, metric: str, group: str | None
) -> leaderboard.Separation:
    """The queries that two encoders answer differently. Raises UserError."""
    return leaderboard.separate(*_of(board), one, other, metric, group)


@caches.data(max_entries=200)
def worst_queries(
    board: Board, encoder: str, metric: str, count: int, group: str | None
) -> list[tuple[str, float]]:
    return leaderboard.worst(*_of(board), encoder, metric, count, group)


@caches.resource(max_entries=200)
def first_hits(
    locator: str, version: str, encoder: str, protocol: str, ids: tuple[str, ...], k: int
) -> dict:
    """What an encoder found first for some queries. Raises UserError."""
    return lists.first_hits(dataset(locator), encoder, protocol, ids, k)


@caches.data(max_entries=6)
def report_csv(name: str, stamp: float) -> str:
    return report_files.csv(report(name, stamp))


@caches.data(max_entries=40)
def report_latex(board: Board) -> str:
    """A board as LaTeX; empty where nothing could be judged."""
    try:
        return report_files.latex(*_of(board))
    except UserError as error:
        return f"% {error}\n"


@caches.data(max_entries=60, ttl=30.0)
def locator_of(name: str, item_id: str) -> str | None:
    """Where a report's data set is in this library: the same name, a picture of that id."""
    for row in dataset_rows():
        if (
            row["state"] == "ready"
            and row["name"] == name
            and item_id in dataset(row["locator"]).rows
        ):
            return row["locator"]
    return None


@caches.resource(max_entries=6)
def _all_studies(name: str, stamp: float) -> list[dict]:
    return closer.read(reports.find(name))


def studies(board: Board, kind: str) -> dict[str, dict]:
    """Encoder -> its study of a kind (probes, robustness, health) on a board. Raises UserError."""
    name, stamp, dataset, protocol = board
    return closer.of_board(_all_studies(name, stamp), kind, dataset, protocol)


@caches.resource(max_entries=60, ttl=600.0, show_spinner="Searching with the distorted picture")
def distorted(
    locator: str, version: str, item_id: str, kind: str, strength: float, encoders: tuple[str, ...]
) -> tuple:
    """The distorted picture as a data URI, and each encoder's answer. Raises UserError."""
    picture, outcomes = perturb.live(dataset(locator), item_id, kind, strength, encoders)
    return data_uri(picture), outcomes


@caches.resource(max_entries=60, ttl=600.0, show_spinner="Asking the other packages")
def audited(
    locator: str, version: str, encoder: str, query: str, protocol: str, k: int
) -> audit.Audited:
    """One query under every published definition. Raises UserError."""
    return audit.audit(dataset(locator), encoder, query, protocol, k)


@caches.data(max_entries=20, ttl=60.0, show_spinner="Joining the classes")
def crossed(queries: tuple[str, ...], gallery: str, join: str) -> dict[str, str]:
    """Queries, gallery and joined classes across domains, in words. Raises UserError."""
    made = crossing.joined(
        [dataset(one) for one in queries], dataset(gallery), crossing.table(join)
    )
    return made.told(made.protocol())


@caches.data(max_entries=60)
def protocols(locator: str, version: str) -> list[str]:
    """What a data set can be judged by: its own protocols, then ``by:ATTRIBUTE`` of every attribute
    that groups pictures."""
    found = dataset(locator)
    kinds: dict[str, set[str]] = {}
    for item in found.items:
        for key, value in item.attributes.items():
            if isinstance(value, str):
                kinds.setdefault(key, set()).add(value)
    shared = [
        f"by:{key}" for key, values in kinds.items() if 1 < len(values) <= len(found.items) // 2
    ]
    return [protocol.name for protocol in found.protocols()] + sorted(shared)


FOLLOW_BUILDS.extend((report_rows, damaged_reports))
