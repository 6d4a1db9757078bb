"""Who asks, and what is theirs.

A visitor's browser holds a random key. Everything that a visitor brings or has made lies in an
artifacts folder of their own, named by the digest of the key: ``artifacts/visitors/<digest>/``,
with the same rooms as the operator's. What is written lands there, what is read is looked for there
first and then in the operator's folder (:func:`core.disk.layers`), so that no list, search, link or
deletion of one visitor can meet what belongs to another. Where nobody is a stranger (not hosted, or
with the operator's token) there is the operator's folder alone.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path

from core import store
from core.errors import UserError, tell_by
from core.services.hosting import settings
from core.services.hosting.settings import hosted

FOLDER = "visitors"
KEY = re.compile(r"[A-Za-z0-9_-]{43}")
"""32 random bytes, as :func:`new_key` writes them."""
NAME = re.compile(r"[0-9a-f]{32}")
SEEN = "seen.json"
SEEN_EVERY_S = 60.0
PATH = re.compile(r"(?<![\w./:~\\-])~?(?:/[^\s/'\"`,;:()<>]+)+/([^\s/'\"`,;:()<>]*)")
"""A place in a file system, with its last part."""
_admins: dict[str, float] = {}
_tries: deque[float] = deque()
_seen: dict[str, float] = {}
_bare: dict[tuple[str, bool], float] = {}
"""Visitor, and whether query pictures count -> when they were last seen to have nothing on disk."""
QUERY_PICTURES = frozenset({"cache", "shared", SEEN}), frozenset({"uploads", "locks"})
"""What lies in a visitor's folder, and in its ``cache``, where there are query pictures alone."""
LATELY_S, MAX_BARE = 0.2, 10_000
_lock = threading.Lock()
_who: list[Callable[[], str | None]] = []
_settled: ContextVar[tuple[Path, "Visitor | None"] | None] = ContextVar("settled", default=None)
"""The folder that :func:`settled` found, and whose it is."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A stranger on a public server. ``name``: digest of the browser's key, opens nothing."""

    name: str

    @property
    def folder(self) -> Path:
        """The artifacts folder of this visitor."""
        return _folder(store.base(), self.name)

    @property
    def owns(self) -> bool:
        """Whether anything of this visitor is on disk."""
        return os.path.isdir(self.folder)

    @property
    def adds(self) -> bool:
        """Whether there is more of this visitor than query pictures: something that data sets,
        encoders, jobs or what they made may be."""
        places = zip((self.folder, self.folder / "cache"), QUERY_PICTURES, strict=True)
        return any(not known.issuperset(_listed(place)) for place, known in places)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


@lru_cache(maxsize=4096)
def _folder(base: Path, name: str) -> Path:
    return base / FOLDER / name


def new_key() -> str:
    """A key for a browser: 256 random bits, in letters a cookie may hold."""
    return secrets.token_urlsafe(32)


def is_key(text: str | None) -> bool:
    """Whether a cookie's text has the form of a key."""
    return text is not None and KEY.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def visitor_of(key: str) -> Visitor:
    """The visitor whose browser holds ``key``. Raises ValueError for what is no key."""
    if not is_key(key):
        raise ValueError("no key of a visitor")
    return Visitor(hashlib.sha256(key.encode()).hexdigest()[:32])


def ask_by(finder: Callable[[], str | None]) -> None:
    """Let ``finder`` say the key of the browser that this thread works for; None = for nobody."""
    _who[:] = [finder]
    store.find_layer_by(_layer)


def visitor() -> Visitor | None:
    """The stranger that this thread works for; None for the operator, and without strangers."""
    if (known := _settled.get()) is not None and known[0] is store.layer():
        return known[1]
    return _in_folder(store.root(), store.base()) if hosted() else None


@lru_cache(maxsize=4096)
def _in_folder(own: Path, base: Path) -> Visitor | None:
    return Visitor(own.name) if own.parent == base / FOLDER else None


def is_visitor() -> bool:
    """Whether the one who asks may change nothing but what is their own."""
    return visitor() is not None


def is_private(*words: object, lately: bool = False, gallery: bool = False) -> bool:
    """Whether an answer to ``words`` may be for one visitor alone, and so belongs into no memory
    that visitors share: it concerns an uploaded picture, or somebody who has something here.

    ``lately``: it is enough that they had nothing a moment ago, as for reading what everybody may
    read; the disk is asked less often. ``gallery``: the answer follows from ``words``, data sets,
    encoders, jobs and what they made: query pictures that ``words`` do not name change nothing.
    """
    one = visitor()
    if one is None:
        return False
    if any(map(_names_upload, words)):
        return True
    now = time.monotonic()
    if lately and now - _bare.get((one.name, gallery), -LATELY_S) < LATELY_S:
        return False
    if one.adds if gallery else one.owns:
        return True
    if len(_bare) > MAX_BARE:
        _bare.clear()
    _bare[one.name, gallery] = now
    return False


def _names_upload(word: object) -> bool:
    """Whether it says ``up:<token>``, as a text or inside a tuple or a record."""
    if isinstance(word, str):  # nearly all are, and pages ask hundreds of times in each run
        return word.startswith("up:")
    if isinstance(word, tuple):
        return any(map(_names_upload, word))
    if is_dataclass(word):
        return any(_names_upload(getattr(word, one.name)) for one in fields(word))
    return False


@contextmanager
def settled() -> Iterator[None]:
    """Who asks does not change inside the block, in this thread: it is found out once, and not for
    each of the hundreds of paths and caches that a page asks for."""
    if (folder := store.layer()) is None:
        yield
        return
    with store.in_layer(folder):
        token = _settled.set((folder, visitor()))
        try:
            yield
        finally:
            _settled.reset(token)


def _layer() -> Path | None:
    """Whose folder this thread works in; called for many paths, so it only compares."""
    if not hosted() or (key := next((who() for who in _who), None)) is None:
        return None
    one = visitor_of(key)
    if is_admin(one):
        return store.base()
    _note(one)
    return one.folder


def _note(one: Visitor) -> None:
    """Remember when a visitor with a folder was last here, at most once a minute."""
    now = time.monotonic()  # a clock that was set back says for hours that it was just now
    if now - _seen.get(one.name, -SEEN_EVERY_S) < SEEN_EVERY_S:
        return
    _seen[one.name] = now
    if one.owns:
        store.with_suppressed_errors(mark_seen, one)


def mark_seen(one: Visitor, now: float | None = None) -> None:
    """Write down that a visitor is here now (epoch seconds)."""
    with store.in_layer(one.folder):
        store.write_text(one.folder / SEEN, json.dumps({"seen": now or time.time()}), durable=False)


def last_seen(one: Visitor) -> float:
    """Epoch seconds of the last visit; of the folder's last change where none was written down."""
    try:
        return float(json.loads((one.folder / SEEN).read_text())["seen"])
    except store.UNREADABLE:
        return store.changed(one.folder)


def visitors() -> list[Visitor]:
    """Everybody who has something on disk."""
    names = (path.name for path in store.listed(store.base() / FOLDER))
    return [Visitor(name) for name in names if NAME.fullmatch(name)]


def owner_of(path: Path | str) -> Visitor | None:
    """Whose artifacts folder a path lies in; None where in no visitor's."""
    try:
        name = Path(os.path.abspath(path)).relative_to((store.base() / FOLDER).absolute()).parts[0]
    except (ValueError, IndexError):
        return None
    return Visitor(name)


def public(words: str) -> str:
    """``words`` as the one who asks may read them: a stranger learns the names of files, and not
    where they lie on this server."""
    if "/" not in words or not is_visitor():
        return words
    known = (store.root(), store.base(), store.shipped(), Path.home(), Path(tempfile.gettempdir()))
    for place in known:
        words = words.replace(f" ({place})", "").replace(f"{place.absolute()}/", "/the/server/")
        words = words.replace(str(place.absolute()), "the artifacts folder")
    return PATH.sub(lambda found: found[1] or "a folder of the server", words)


def require_own(path: Path) -> None:
    """Raises UserError where a visitor would change what lies at ``path`` and is not theirs."""
    if is_visitor() and not Path(path).absolute().is_relative_to(store.root().absolute()):
        require_operator(f"Changing {Path(path).name}")


def require_operator(what: str) -> None:
    """Raises UserError where a visitor asks for what only the operator may do."""
    if is_visitor():
        raise UserError(
            f"{what} is for the operator of this server.",
            "Visitors can change what they brought themselves.",
        )


def become_admin(token: str) -> None:
    """Open the rest of the server to the visitor who knows the operator's token.

    Raises:
        UserError: there is no such token, it is not this one, or there were too many tries.
    """
    one, now = visitor(), time.monotonic()
    expected = os.environ.get(settings.TOKEN, "")
    if one is None or not has_entrance():
        raise UserError(
            "This server has no operator's entrance.",
            f"{settings.TOKEN} in its environment opens one: {settings.MIN_TOKEN} characters or"
            " more.",
        )
    allowed = int(settings.value("admin_tries"))
    with _lock:
        while _tries and now - _tries[0] > 60:
            _tries.popleft()
        if len(_tries) >= allowed:
            raise UserError(
                f"There were {len(_tries)} tries within a minute.",
                f"At most {allowed} a minute.",
                "Wait a minute.",
            )
        _tries.append(now)
    if not hmac.compare_digest(token.encode(errors="replace"), expected.encode()):
        raise UserError("That is not the operator's token.", fix="Check it and try again.")
    _admins[one.name] = now + settings.value("admin_hours") * 3600


def has_entrance() -> bool:
    """Whether the operator of this server can be recognised by a token."""
    return hosted() and len(os.environ.get(settings.TOKEN, "")) >= settings.MIN_TOKEN


def leave_admin(one: Visitor) -> None:
    """Make an operator a visitor again."""
    _admins.pop(one.name, None)


def is_admin(one: Visitor) -> bool:
    """Whether this browser has shown the operator's token, and not too long ago."""
    until = _admins.get(one.name)
    return until is not None and time.monotonic() < until


tell_by(public)
