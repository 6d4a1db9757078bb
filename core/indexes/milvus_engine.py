"""The connection to Milvus: where it is, who asks, how long an answer may take, and what its errors
mean to a person.

``LOOKALIKE_MILVUS`` is an address (``http://host:19530``, ``https://...``, ``host:19530``) of a
server or a cluster, or the path of a file for the embedded engine, milvus-lite; without it that
file lies in the artifacts folder. The embedded engine lets one process open its file: the first one
that does serves the others, on this machine alone.
"""

import atexit
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core import store
from core.errors import UserError
from core.indexes.base import Away

log = logging.getLogger(__name__)
WHERE = "LOOKALIKE_MILVUS"
SETTINGS = {
    "user": f"{WHERE}_USER",
    "password": f"{WHERE}_PASSWORD",
    "token": f"{WHERE}_TOKEN",
    "db_name": f"{WHERE}_DATABASE",
    "ca_pem_path": f"{WHERE}_CA",
    "client_pem_path": f"{WHERE}_CERTIFICATE",
    "client_key_path": f"{WHERE}_KEY",
    "server_name": f"{WHERE}_SERVER_NAME",
}
"""What the client is told besides the address -> its name in the environment."""
SECRET = ("password", "token")
CONNECT_S, ANSWER_S, SERVED_S = 3.0, 10.0, 15.0
"""So long a connection, an answer, and the process with the embedded engine are waited for."""
AWAY_S = 5.0
"""So long what did not answer is not asked again: six columns wait once."""
PACKAGES = "tools/engines/milvus.txt"
FIX = "Start it, or choose another index: those need no engine."
DENIED = re.compile(r"\bauth|unauthenticated|permission|denied", re.IGNORECASE)
NONE_SUCH = 100
"""How Milvus says that it has no such collection."""
_clients: dict[str, Any] = {}
_away: dict[str, float] = {}
_opening = threading.RLock()
_ending: list[Callable[[], object]] = []


class Gone(UserError):
    """The engine holds nothing under this name."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine is: ``address`` of a server, or ``file`` of the embedded one."""

    address: str = ""
    file: Path | None = None

    @property
    def shown(self) -> str:
        """For a log, a cache key or the command line: never with a user or a password in it."""
        return self.address or str(self.file)

    @property
    def kind(self) -> str:
        """What an index built there follows from: a file may move, another server is another."""
        return self.address or "embedded"


def place() -> Place:
    """Where the environment says that the engine is. Raises UserError: it can't be read."""
    given = os.environ.get(WHERE, "").strip()
    if not given:
        return Place(file=store.base() / "milvus" / "engine.db")
    if re.fullmatch(r"[\w.-]+:\d{1,5}", given):
        return Place(f"http://{given}")
    if "://" not in given:
        file = Path(given).expanduser().absolute()
        if file.is_file():
            raise UserError(
                f"{WHERE} names a file that the embedded engine did not write.",
                fix="Name another path: it is made there.",
            )
        return Place(file=file)
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"{WHERE} is no address of a Milvus server.",
            "It is http://host:19530, https://host:19530, host:19530, or the path of a file.",
        )
    if "@" in parts.netloc:
        raise UserError(
            f"{WHERE} holds a user or a password, which would be shown wherever the address is.",
            fix=f"Put them into {SETTINGS['user']} and {SETTINGS['password']}.",
        )
    return Place(f"{parts.scheme}://{parts.netloc}")


def lacking() -> str:
    """Why the engine can't be used here, whether it answers or not; empty where it can."""
    try:
        where = place()
    except UserError as error:
        return error.plain
    names = ["pymilvus", *([] if where.address else ["milvus_lite"])]
    missing = [name.replace("_", "-") for name in names if find_spec(name) is None]
    if not missing:
        return ""
    plural = "s" if len(missing) > 1 else ""
    return (
        f"It needs the package{plural} {' and '.join(missing)}. Install with:"
        f" pip install -r {PACKAGES}"
    )


def ask(where: Place, method: str, *given: Any, slow: bool = False, **more: Any) -> Any:
    """One call of the client, answered within ANSWER_S seconds.

    Args:
        slow: it takes as long as it takes, while the connection stands.

    Raises:
        Away: the engine does not answer, or refuses who asks.
        Gone: it has no such collection.
        UserError: it refuses what is asked.
    """
    patience = {"retry_times": 2} if slow else {"timeout": ANSWER_S}
    for last in (False, True):
        client = connected(where)
        try:
            return getattr(client, method)(*given, **patience, **more)
        except Exception as error:
            told = _told(where, error)
            if isinstance(told, Away):
                forget(where)
            if not isinstance(told, Away) or last or where.address:
                raise told from None
            # the process that served the file has ended: another one serves it now
    raise AssertionError("unreachable")


def connected(where: Place) -> Any:
    """The client of this process for an engine. Raises Away."""
    known = _clients.get(where.shown)
    if known is not None:
        return known
    with _opening:
        if where.shown in _clients:
            return _clients[where.shown]
        if time.monotonic() - _away.get(where.shown, -AWAY_S) < AWAY_S:
            raise _unanswered(where)
        if why := lacking():
            raise UserError("The index milvus can't be used here.", fix=why)
        try:
            _clients[where.shown] = _client(where)
        except Exception as error:
            told = _told(where, error)
            if isinstance(told, Away):
                _away[where.shown] = time.monotonic()
            raise told from None
        _away.pop(where.shown, None)
        return _clients[where.shown]


def forget(where: Place) -> None:
    """Connect anew at the next call."""
    with _opening:
        client = _clients.pop(where.shown, None)
        _away.pop(where.shown, None)
    with suppress(Exception):
        if client is not None:
            client.close()


def _client(where: Place) -> Any:
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # its errors are told in our words
    from pymilvus import MilvusClient

    if where.file is not None:
        # the embedded engine breaks connections that ask often whether it is there, as clients do
        quiet = {"grpc.keepalive_time_ms": 2**31 - 1}
        return MilvusClient(_served(where.file), timeout=CONNECT_S, grpc_options=quiet)
    given = {
        name: value for name, variable in SETTINGS.items() if (value := os.environ.get(variable))
    }
    secure = {"secure": True} if where.address.startswith("https") else {}
    return MilvusClient(where.address, timeout=CONNECT_S, **secure, **given)


def _served(file: Path) -> str:
    """The local address of a file's embedded engine: opened here, unless another process has."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import DataDirLockedError

    store.make_folder(file.parent)
    noted, until = file.with_name(f"{file.name}.address"), time.monotonic() + SERVED_S
    while True:
        try:
            server, opened, port = start_server_in_thread(str(file), "127.0.0.1", 0)
        except DataDirLockedError:
            if (address := _noted(noted)) is not None:
                return address
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
            continue
        address = f"http://127.0.0.1:{port}"
        store.write_text(noted, json.dumps({"pid": os.getpid(), "address": address}))
        _ending.append(partial(_close, server, opened, noted))
        return address


def before_end(call: Callable[[], object]) -> None:
    """Have something done at the end of this process, while an engine that it serves is still
    open; what is told last is done first."""
    _ending.append(call)


def _end(pid: int) -> None:
    while _ending and os.getpid() == pid:  # a forked worker leaves its parent's engine alone
        with suppress(Exception):
            _ending.pop()()


def _noted(file: Path) -> str | None:
    """Where another process, if it still lives, serves the engine."""
    try:
        noted = json.loads(file.read_text())
        os.kill(int(noted["pid"]), 0)
        return str(noted["address"])
    except (*store.UNREADABLE, OSError):
        return None


def _close(server: Any, opened: Any, noted: Path) -> None:
    noted.unlink(missing_ok=True)
    server.stop(grace=2)
    opened.close()


def _told(where: Place, error: Exception) -> UserError:
    """What an error of the client means, without any secret."""
    if isinstance(error, UserError):
        return error
    words = _clean(f"{getattr(error, 'message', '') or error} {_cause(error)}")
    status = getattr(error, "code", None)
    code = status() if callable(status) else status
    log.info("milvus at %s: %s: %s", where.shown, type(error).__name__, words)
    if code == NONE_SUCH:
        return Gone("The Milvus engine does not hold this index any more.", fix="Build it again.")
    if DENIED.search(words):
        return Away(
            "The Milvus engine refuses who asks.",
            "It takes a user with a password, or a token.",
            "Whoever runs this sets them in its environment.",
            f"Set {SETTINGS['token']}, or {SETTINGS['user']} and {SETTINGS['password']}.",
        )
    if _unreachable(error, code, words):
        return _unanswered(where)
    return UserError(f"The Milvus engine refuses this: {words[:200]}.", fix="Try another index.")


def _cause(error: BaseException) -> str:
    """What the connection itself said: the client calls a wrong password a server that is away."""
    while error.__cause__ is not None and error.__cause__ is not error:
        error = error.__cause__
    details = getattr(error, "details", None)
    return str(details()) if callable(details) else ""


def _unreachable(error: Exception, code: Any, words: str) -> bool:
    if type(error).__name__ in ("DataDirLockedError", "MilvusUnavailableException"):
        return True
    named = str(getattr(code, "name", code))
    return named in ("2", "UNAVAILABLE", "DEADLINE_EXCEEDED") or bool(
        re.search(r"unavailable|deadline|retry timeout|UNIMPLEMENTED|connect|closed", words, re.I)
    )


def _unanswered(where: Place) -> Away:
    return Away("The Milvus engine does not answer.", "", FIX, f"{WHERE} is {where.shown}. {FIX}")


def _clean(words: str) -> str:
    """Without anything secret, on one line."""
    for name in SECRET:
        if secret := os.environ.get(SETTINGS[name]):
            words = words.replace(secret, "***")
    return " ".join(words.split())


@contextmanager
def at_rest(what: str) -> Iterator[None]:
    """What is done in passing, and again another time where the engine does not answer now."""
    try:
        yield
    except UserError as error:
        log.info("%s: %s", what, error)


def retried(call: Callable[[bool], Any], tries: int = 5, wait_s: float = 0.2) -> Any:
    """``call(again)``, and again where the engine did not answer: ``again`` says that an earlier
    call may have done its work unheard."""
    for number in range(tries):
        try:
            return call(number > 0)
        except Away:
            if number == tries - 1:
                raise
            time.sleep(wait_s * 2**number)
            _away.clear()
    raise AssertionError("unreachable")


atexit.register(_end, os.getpid())
