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
LONGEST = 8_000
"""Characters of a message or an error: what visitors send must not fill the operator's disk."""
_request: ContextVar[str] = ContextVar("request", default="")


def begin_request(given: str = "") -> str:
    """A new number for what this thread or task does now; ``given`` by a proxy it is taken where it
    is one."""
    number = given if SAID.fullmatch(given) else uuid.uuid4().hex[:12]
    _request.set(number)
    return number


def request() -> str:
    """The number of the request that is served now; a new one where none was begun."""
    return _request.get() or begin_request()


def redacted(words: str) -> str:
    """``words`` without the operator's token, and without what stands behind the names of other
    secrets."""
    token = os.environ.get(settings.TOKEN, "")
    if token:
        words = words.replace(token, HIDDEN)
    return SECRETS.sub(lambda found: found[1] + HIDDEN, words)


def _short(words: str) -> str:
    """``words`` without their middle, where they are very long: an error is named at its end."""
    half = LONGEST // 2
    return words if len(words) <= LONGEST else f"{words[:half]} ... {words[-half:]}"


class Lines(logging.Formatter):
    """One JSON object a line: time, level, name, request, visitor, message, and whatever ``extra``
    gave as ``fields``."""

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


def configure() -> None:
    """Write structured lines to standard error, in place of what was written there; nothing changes
    where neither strangers use the server nor ``LOOKALIKE_LOG=json`` asks for it."""
    if not settings.hosted() and os.environ.get(KIND) != "json":
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    top = logging.getLogger()
    top.handlers[:] = [handler]
    top.setLevel(logging.INFO)
    for name in ("streamlit", "uvicorn", "uvicorn.error", "uvicorn.access"):
        other = logging.getLogger(name)
        other.handlers[:] = []
        other.propagate = True
    # the first two would tell the addresses of visitors, and what their links hold
    for name in ("uvicorn.access", "uvicorn.error", "httpx", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
