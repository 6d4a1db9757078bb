"""Scripts and styles of the pages, sent compressed, and the page itself as the product wants it.

Streamlit sends its scripts as they are: 3.2 MB before the first page stands, 16 s of a phone at
1.6 Mbit/s. Compressed they are a third. Each is compressed once in a process and kept: there are
some tens of them, whose names change with their content. Plain ASGI, as :mod:`.web`.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from core.services.hosting.web import QUIET

STATIC = "/static/"
KINDS = ("text/html", "text/css", "text/javascript", "application/javascript")
LEAST = 1000
"""Bytes below which nothing is gained."""
LEVEL, GZIP = 6, 31
"""Plotly's 4.7 MB: 1.66 MB in 60 ms at level 1, 1.42 MB in 156 ms at level 6, no less at 9."""
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Packed:
    """Wraps an ASGI application that serves Streamlit's files.

    ``page`` makes the HTML that every page begins with of the one that the application sends.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], page: Callable[[str], str]) -> None:
        self.app, self.page = app, page
        self.kept: dict[str, bytes] = {}

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        path = scope.get("path", "")
        other = path.startswith(QUIET) and not path.startswith(STATIC)
        if scope["type"] != "http" or scope["method"] != "GET" or other:
            return await self.app(scope, receive, send)
        # Streamlit would compress the page, which is to be changed, by itself.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        parts: list[bytes] = []

        async def taken(message: Message) -> None:
            """Whole texts are held back; what is anything else passes."""
            if message["type"] == "http.response.start" and _is_text(message):
                start.update(message)
            elif not start:
                await send(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    await self._answer(scope, start, b"".join(parts), send)

        await self.app({**scope, "headers": plain}, receive, taken)

    async def _answer(self, scope: Message, start: Message, body: bytes, send: Send) -> None:
        told = _told(start)
        name = told.get("etag", "")
        if told["content-type"].startswith("text/html"):
            body, name = self.page(body.decode()).encode(), ""
        changed = {"content-length": str(len(body)), "etag": name}
        if len(body) >= LEAST:
            changed["vary"] = "accept-encoding"
            if "gzip" in dict(scope["headers"]).get(b"accept-encoding", b"").decode("latin-1"):
                kept = self.kept.get(name)
                body = await asyncio.to_thread(_pack, body) if kept is None else kept
                if name:
                    self.kept[name] = body
                changed |= {"content-encoding": "gzip", "content-length": str(len(body))}
                changed["etag"] = name and f"W/{name}"  # the same text, not the same bytes
        headers = [(key, value) for key, value in start["headers"] if key.decode() not in changed]
        headers += [(key.encode(), value.encode()) for key, value in changed.items() if value]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_text(start: Message) -> bool:
    """Whether it is a whole text that nobody has compressed."""
    told = _told(start)
    plain = start["status"] == 200 and "content-encoding" not in told
    return plain and told.get("content-type", "").startswith(KINDS)


def _told(start: Message) -> dict[str, str]:
    return {key.decode().lower(): value.decode("latin-1") for key, value in start["headers"]}


def _pack(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL, GZIP)
