"""Things found by name: one file registers itself, nobody keeps a list."""

import difflib
import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from core.errors import UserError

T = TypeVar("T")


class UnknownName(UserError):
    """A name that nothing answers to, with the nearest names that something does."""

    def __init__(
        self, kind: str, name: str, known: list[str], more: list[str] | None = None
    ) -> None:
        low, spelt = name.lower(), {one.lower(): one for one in known}
        holds = [spelt[one] for one in spelt if len(low) > 2 and low in one]
        alike = [spelt[one] for one in difflib.get_close_matches(low, spelt, n=3, cutoff=0.5)]
        near = list(dict.fromkeys([*holds[:3], *(more or []), *alike]))[:4]
        hint = (
            f" Did you mean {' or '.join(near)}?" if near else ""
        )  # before a list that may be long
        super().__init__(f"There is no {kind} named {name!r}.{hint}", f"Known: {', '.join(known)}.")

    def __reduce__(self) -> tuple:
        return UserError, (self.given, self.allowed, self.fix)


class Registry(Generic[T]):
    """Names to makers. A *finder* answers names that can't be listed (any name of timm)."""

    def __init__(self, kind: str, package: str, first: str = "") -> None:
        self.kind, self.package, self.first = kind, package, first
        self._makers: dict[str, Callable[[], T]] = {}
        self._finders: list[tuple[Callable[[], list[str]], Callable[[str], T | None]]] = []
        self._last: list[tuple[Callable[[], list[str]], Callable[[str], T | None]]] = []
        self._near: list[Callable[[str], list[str]]] = []
        self._imported = self._importing = False
        self._import = threading.RLock()

    def add(self, name: str, maker: Callable[[], T]) -> None:
        if name in self._makers:
            raise ValueError(f"two {self.kind}s are named {name!r}")
        self._makers[name] = maker

    def add_finder(
        self,
        names: Callable[[], list[str]],
        find: Callable[[str], T | None],
        near: Callable[[str], list[str]] | None = None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> None:
        """``names()`` are the ones worth listing; ``find(name)`` makes one, or returns None if it
        is not its own.

        ``near(name)`` gives names that it would answer to and that look like one that nothing
        answers to. ``first``: it is asked before the others, which might take its names for
        misspelt ones of their own. ``last``: it is asked after all others, whichever file was
        imported first.
        """
        if last:
            self._last.append((names, find))
        else:
            self._finders.insert(0 if first else len(self._finders), (names, find))
        self._near += [near] if near else []

    def names(self) -> list[str]:
        """All that are listed, in the order of their registration; the one named ``first`` before
        them."""
        self._import_siblings()
        found = [name for names, _ in (*self._finders, *self._last) for name in names()]
        return sorted(dict.fromkeys([*self._makers, *found]), key=lambda name: name != self.first)

    def get(self, name: str) -> T:
        self._import_siblings()
        if name in self._makers:
            return self._makers[name]()
        # one that lists the name goes first: asking the others may load a library only to hear no
        ordered = sorted(self._finders, key=lambda finder: name not in finder[0]())
        for _, find in [*ordered, *self._last]:
            made = find(name)
            if made is not None:
                return made
        raise UnknownName(
            self.kind, name, self.names(), [one for near in self._near for one in near(name)]
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _import_siblings(self) -> None:
        """Once; a second thread waits, so that it sees the whole list too."""
        if self._imported:
            return
        with self._import:
            if self._imported or self._importing:
                # done meanwhile; or a sibling asks while it is imported, by this same thread
                return
            self._importing = True
            try:
                package = importlib.import_module(self.package)
                for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
                    importlib.import_module(f"{self.package}.{module.name}")
            finally:
                self._imported, self._importing = True, False
