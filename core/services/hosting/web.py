"""What stands between the network and the pages: a key for each browser, headers, a number for each
request, the health address. Plain ASGI, so that no framework is needed to test it."""

import json
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from core import store
from core.services.hosting import logs, ownership
from core.services.hosting.settings import hosted

log = logging.getLogger(__name__)
COOKIE = "lookalike_visitor"
DAYS = 400
"""So long a browser keeps its key; what it opens expires long before."""
HEALTH = "/healthz"
LEAST_FREE = 256 << 20
CLOSED = ("/_stcore/metrics", "/_stcore/script-health-check")
"""What tells of the server's inside."""
QUIET = ("/static/", "/media/", "/component/", "/_stcore/", "/vendor/", HEALTH)
"""Addresses that no page has and no line of the log needs."""
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob: mediastream:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "frame-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
"""As strict as Streamlit works with: charts compile expressions, components come as text."""
HEADERS = {
    "content-security-policy": "; ".join(f"{name} {what}" for name, what in POLICY.items()),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Front:
    """Wraps an ASGI application."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        given = {name.lower(): value for name, value in scope["headers"]}
        number = logs.begin_request(given.get(b"x-request-id", b"").decode("latin-1"))
        if scope["type"] == "websocket":
            return await self.app(scope, receive, send)
        path = scope.get("path", "")
        if path == HEALTH:
            return await _health(send)
        if hosted() and path.startswith(CLOSED):
            return await _answer(send, 404, b"Not found", "text/plain")
        more = {**HEADERS, "x-request-id": number}
        if _is_page(scope) and not _has_key(given):
            more["set-cookie"] = _cookie(scope, given)
        await self._served(scope, receive, send, more)

    async def _served(self, scope: Scope, receive: Receive, send: Send, more: dict) -> None:
        started, status = time.monotonic(), [0]

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                message["headers"] = _with(message.get("headers", ()), more)
            await send(message)

        await self.app(scope, receive, sent)
        if not scope["path"].startswith(QUIET):
            fields = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status[0],
                "ms": round((time.monotonic() - started) * 1000, 1),
            }
            log.info("request", extra={"fields": fields})


def _with(headers: Any, more: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Ours replace headers of the same name, add cookies, and drop what names the server."""
    ours = {name.encode() for name in more if name != "set-cookie"} | {b"server", b"x-powered-by"}
    kept = [(name, value) for name, value in headers if name.lower() not in ours]
    return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in more.items())]


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for the page itself, where strangers use the server."""
    return hosted() and scope["method"] == "GET" and not scope["path"].startswith(QUIET)


def _has_key(given: dict[bytes, bytes]) -> bool:
    try:
        cookies = SimpleCookie(given.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return False
    return COOKIE in cookies and ownership.is_key(cookies[COOKIE].value)


def _cookie(scope: Scope, given: dict[bytes, bytes]) -> str:
    """A new key, which no script of a page can read; over TLS only where the visitor came so."""
    parts = [
        f"{COOKIE}={ownership.new_key()}",
        "Path=/",
        f"Max-Age={DAYS * 86400}",
        "HttpOnly",
        "SameSite=Lax",
    ]
    secure = scope.get("scheme") == "https" or given.get(b"x-forwarded-proto") == b"https"
    return "; ".join([*parts, "Secure"] if secure else parts)


async def _health(send: Send) -> None:
    told = _checked()
    status = 200 if told["status"] == "ok" else 503
    await _answer(send, status, json.dumps(told).encode(), "application/json")


async def _answer(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = _with([(b"content-type", kind.encode())], {**HEADERS, "cache-control": "no-store"})
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _checked() -> dict:
    """``status`` is ``ok`` or ``failing``; ``checks`` says of each check whether it is fine.
    Nothing in it tells of the server's places or versions."""
    home = store.base()
    try:
        free = shutil.disk_usage(home).free > LEAST_FREE
    except OSError:
        free = False
    checks = {"artifacts": os.access(home, os.W_OK), "disk": free}
    return {"status": "ok" if all(checks.values()) else "failing", "checks": checks}
