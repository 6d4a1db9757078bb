"""What the server tells its operator: a JSON line for each event, with the number of the request
that it belongs to, and no secret in it."""

import json
import logging
import os
import re
import sys
import uuid
from contextvars import ContextVar

from core.services.hosting import ownership, settings

KIND = "LOOKALIKE_LOG"
"""``json`` in the environment: structured lines; a public server writes them anyway."""
SAID = re.compile(r"[A-Za-z0-9-]{8,64}")
"""A request's number, as a proxy in front may have given it."""
SECRETS = re.compile(
    r"((?:cookie|authorization|token|secret|password|lookalike_visitor|_streamlit_\w+)"
    r"[\"']?\s*[:=]\s*)(\S+)",
    re.IGNORECASE,
)
HIDDEN = "(hidden)"
TALKATIVE = ("uvicorn", "websockets", "httpx", "PIL")
LONGEST = 8_000
"""Characters of a message or an error: what visitors send must not fill the operator's disk."""
_request: ContextVar[str] = ContextVar("request", default="")


def begin_request(given: str = "") -> str:
    """A new number for what this thread or task does now, or the one ``given`` by a proxy."""
    number = given if SAID.fullmatch(given) else uuid.uuid4().hex[:12]
    _request.set(number)
    return number


def request() -> str:
    """The number of the request that is served now; a new one where none was begun."""
    return _request.get() or begin_request()


def redacted(words: str) -> str:
    """``words`` without the operator's token, and without what follows names of secrets."""
    token = os.environ.get(settings.TOKEN, "")
    if token:
        words = words.replace(token, HIDDEN)
    return SECRETS.sub(lambda found: found[1] + HIDDEN, words)


def _short(words: str) -> str:
    """``words`` without their middle, where they are very long: an error is named at its end."""
    half = LONGEST // 2
    return words if len(words) <= LONGEST else f"{words[:half]} ... {words[-half:]}"


class Lines(logging.Formatter):
    """A JSON object a line: time, level, name, request, visitor, message, ``extra`` fields."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "name": record.name,
            "request": _request.get(),
            "message": _short(redacted(record.getMessage())),
            **getattr(record, "fields", {}),
        }
        if (one := ownership.visitor()) is not None:
            said["visitor"] = one.name[:8]
        if record.exc_info:
            said["error"] = _short(redacted(self.formatException(record.exc_info)))
        return json.dumps({name: value for name, value in said.items() if value != ""})


def configure() -> bool:
    """Write structured lines to standard error, in place of what was written there; nothing changes
    where neither strangers use the server nor ``LOOKALIKE_LOG=json`` asks for it. Returns whether
    they are written."""
    if not settings.hosted() and os.environ.get(KIND) != "json":
        return False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    handler.addFilter(_is_for_the_operator)
    top = logging.getLogger()
    top.handlers[:] = [handler]
    top.setLevel(logging.INFO)
    for name in ("streamlit", "uvicorn", "uvicorn.error", "uvicorn.access"):
        adopt(logging.getLogger(name))
    return True


def adopt(other: logging.Logger) -> None:
    """Let the logger of a library that writes by itself write through ours, which hides secrets."""
    other.handlers[:] = []
    other.propagate = True


def _is_for_the_operator(record: logging.LogRecord) -> bool:
    """Requests are told by the front, without what the libraries tell of them: addresses of
    visitors, and what their links hold. Asked of each record, since levels of loggers change when a
    library reads its settings again."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in TALKATIVE
