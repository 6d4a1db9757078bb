"""A small model hub on the loopback interface, as the real one answers: HEAD and GET with
checksums, ranges and redirects.

It can be told to cut a connection midway, to answer slowly, without lengths, to lie about a checksum
or to fail, and it counts requests.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 16
"""Bytes that are sent at once."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What is served: ``files`` maps ``owner/repo/file.ext`` (or, for a plain mirror, ``file.ext``)
    to bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next connections are dropped, one entry a connection."""
    wrong_checksum: bool = False
    fail_with: int = 0
    piece_delay_s: float = 0.0
    lengths: bool = True
    """Whether answers say how long they are."""
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of every GET, in order."""
    heads: int = 0
    moved: dict[str, str] = field(default_factory=dict)
    """Old repository -> new one: answered by a redirect, as for a repository that was renamed."""
    storage: bool = False
    """Whether files are answered by a redirect to a storage address, as large files are."""

    def put(self, repo: str, file: str, data: bytes) -> None:
        self.files[f"{repo}/{file}"] = data

    def find(self, path: str) -> bytes | None:
        resolved = re.fullmatch(r"/(.+?)/resolve/[^/]+/(.+?)(\?.*)?", path)
        if resolved:
            return self.files.get(f"{self.moved.get(resolved[1], resolved[1])}/{resolved[2]}")
        return self.files.get(path.removeprefix("/storage").strip("/"))


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers at ``hub.url`` until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.hub.heads += 1
        data = self._start()
        if data is not None and not self._redirected(data):
            self._send_headers(200, len(data), data)

    def do_GET(self) -> None:
        self.hub.ranges.append(self.headers.get("Range"))
        data = self._start()
        if data is None or self._redirected(data):
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        first = int(wanted[1]) if wanted else 0
        if first >= len(data) > 0 and wanted:
            self._send_headers(416, 0, data)
            return
        extra = {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if wanted else {}
        self._send_headers(206 if wanted else 200, len(data) - first, data, extra)
        self._send_body(data[first:])

    def _redirected(self, data: bytes) -> bool:
        """Answer as the hub does for renamed repositories (relative) and for large files (to their
        storage)."""
        old = next((old for old in self.hub.moved if self.path.startswith(f"/{old}/")), None)
        if old is not None:
            self._send_headers(
                307,
                0,
                b"",
                {"Location": self.path.replace(old, self.hub.moved[old], 1)},
                linked=False,
            )
            return True
        if self.hub.storage and "/resolve/" in self.path:
            name = re.sub(r"/resolve/[^/]+", "", self.path)
            self._send_headers(302, 0, data, {"Location": f"{self.hub.url}/storage{name}"})
            return True
        return False

    def _start(self) -> bytes | None:
        data = self.hub.find(self.path)
        status = self.hub.fail_with or (404 if data is None else 0)
        if not status:
            return data
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        return None

    def _send_headers(
        self,
        status: int,
        length: int,
        data: bytes,
        extra: dict[str, str] | None = None,
        linked: bool = True,
    ) -> None:
        checksum = "0" * 64 if self.hub.wrong_checksum else hashlib.sha256(data).hexdigest()
        self.send_response(status)
        headers = {
            "Content-Length": str(length),
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
            **(extra or {}),
        }
        if linked:
            headers |= {
                "ETag": f'"{checksum}"',
                "X-Linked-Etag": f'"{checksum}"',
                "X-Linked-Size": str(len(data)),
            }
        if not self.hub.lengths and status == 200:  # then the end of the connection tells
            headers = {"Connection": "close", **headers}
            headers.pop("Content-Length")
            headers.pop("X-Linked-Size", None)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, data: bytes) -> None:
        limit = self.hub.cut_after.pop(0) if self.hub.cut_after else None
        try:
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                self.wfile.write(piece if limit is None else piece[: max(0, limit - at)])
                self.wfile.flush()
                if limit is not None and at + len(piece) >= limit:
                    self.close_connection = True
                    self.connection.close()
                    return
                time.sleep(self.hub.piece_delay_s)
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Stay quiet."""
