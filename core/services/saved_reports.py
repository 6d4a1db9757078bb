"""The reports on disk: the user's own and those that came with the code, without scores."""

import functools
import json
import os
from pathlib import Path

from core import store
from core.errors import UserError

FOLDER, CAME = "reports", "leaderboard"
"""``CAME``: the report that comes with the code."""
MOST = 8


def listing() -> list[str]:
    """Names of the reports there are: the user's own, newest first, then those that came with the
    code. One whose files are damaged counts as absent."""
    homes = reversed(store.layers())
    own = {
        path.name: (path / "report.json").stat().st_mtime for home in homes for path in _whole(home)
    }
    came = [path.name for path in sorted(_whole(store.shipped()))]
    return list(dict.fromkeys([*sorted(own, key=own.__getitem__, reverse=True), *came]))


def damaged() -> list[str]:
    """The user's own reports whose files are damaged; :func:`listing` leaves them out."""
    home = store.root()
    there = [
        path
        for path in store.listed(home / FOLDER)
        if path.name[0] != "." and (path / "report.json").is_file()
    ]
    return sorted({path.name for path in there} - {path.name for path in _whole(home)})


def _whole(home: Path) -> list[Path]:
    """Folders of reports whose files are what was written."""
    found = [
        path
        for path in store.listed(home / FOLDER)
        if path.name[0] != "." and (path / "report.json").is_file()
    ]
    return [path for path in found if not store.faults(path)]


def find(name: str) -> Path:
    """A report's folder, a damaged one only where no other is. Raises UserError: no such name."""
    there = [
        base / FOLDER / name
        for base in (*store.layers(), store.shipped())
        if store.SAFE.fullmatch(name)
    ]
    there = [path for path in there if os.path.isfile(path / "report.json")]
    for path in sorted(there, key=lambda path: bool(store.faults(path))):
        return path
    known = ", ".join(listing()) or "none yet"
    raise UserError(
        f"There is no report named {name[:60]!r}.",
        f"There are: {known}.",
        "Make one on the Metrics page.",
        "Make one: python -m core evaluate.",
    )


def rows(name: str) -> list[dict]:
    """The rows of a report without any per-query score, which takes milliseconds: the four names,
    ``means``, ``latency``, ``card`` ...; none where it can't be read.

    Raises:
        UserError: there is no report of that name.
    """
    path = find(name) / "report.json"
    try:
        return _rows(path, *store.identity(path))
    except store.UNREADABLE:
        return []


@functools.lru_cache(maxsize=MOST)
def _rows(path: Path, *identity: int) -> list[dict]:
    """Read once for each state of the file: several parts of a page ask for the newest reports.
    Nobody changes them."""
    found: list[dict] = json.loads(path.read_text())["rows"]
    return found


def newest_rows() -> list[dict]:
    """Rows of the newest :data:`MOST` reports, the user's own first."""
    found = []
    for name in listing()[:MOST]:
        try:
            found += rows(name)
        except UserError:  # deleted a moment ago
            continue
    return found
