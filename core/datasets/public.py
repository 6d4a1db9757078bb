"""Public sets that are not ours to ship: known by name, useful once their files are there."""

from __future__ import annotations

import os
from pathlib import Path

from core import store
from core.datasets.base import READY, Dataset
from core.datasets.names import real, shown
from core.errors import UserError
from core.types import Progress, State


class Public(Dataset):
    """A set in its distributed form, in ``artifacts/datasets/<name>/`` or in the folder that it is
    opened from.

    A child sets ``needs`` (what has to exist, relative to that folder), ``source`` (where people
    get it), ``size`` (bytes of the download) and writes ``_list`` and ``read`` as for any dataset.
    ``can_download`` says whether :meth:`download` fetches it.
    """

    needs: tuple[str, ...] = ()
    source: str = ""
    size: int = 0
    can_download = False

    def __init__(self, folder: Path | str | None = None) -> None:
        self.given = None if folder is None else os.path.abspath(real(os.fspath(folder)))
        self.folder = self.given or str(store.base() / "datasets" / self.name)

    def at(self, folder: str) -> Public:
        """The same set, in another folder."""
        return type(self)(folder)

    def is_here(self) -> bool:
        """Whether the folder holds this set in its distributed form."""
        return all(os.path.exists(os.path.join(self.folder, name)) for name in self.needs)

    @property
    def locator(self) -> str:
        return self.name if self.given is None else shown(self.given)

    def state(self) -> State:
        if self.is_here():
            return READY
        return State(
            "download" if self.can_download else "unavailable", str(self.missing()), self.size
        )

    def missing(self) -> UserError:
        """What to put where."""
        absent = [
            name for name in self.needs if not os.path.exists(os.path.join(self.folder, name))
        ]
        size = f" ({self.size / 1e6:,.0f} MB)" if self.size else ""
        named = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
        return UserError(
            f"{self.title} is not on this machine: {shown(self.folder)} has no {named}.",
            f"It comes from {self.source}{size}.",
            f"{'Download it on the Library page, or put' if self.can_download else 'Put'} its files"
            " there.",
        )

    def download(self, progress: Progress | None = None) -> None:
        """Nothing where the files are here. Raises UserError: a person has to put them there."""
        self.check()

    def check(self) -> None:
        """Raise UserError with what to put where, unless the files are here."""
        if not self.is_here():
            raise self.missing()
