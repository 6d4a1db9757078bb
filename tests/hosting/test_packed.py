"""Scripts and styles sent compressed, and the page that every page begins with."""

from __future__ import annotations

import asyncio
import gzip
import re

from core.services.hosting.packed import LEAST, Packed
from pages.parts import arriving

SCRIPT = b"const word = 1;" * LEAST
HTML = (arriving.STATIC / "index.html").read_text(encoding="utf-8")


class Files:
    """An application that serves one file and counts who asked, and how."""

    def __init__(self, body: bytes, kind: str, etag: str = '"one"', status: int = 200) -> None:
        self.body, self.kind, self.etag, self.status = body, kind, etag, status
        self.accepted: list[bytes | None] = []

    async def __call__(self, scope, receive, send):
        self.accepted.append(dict(scope["headers"]).get(b"accept-encoding"))
        told = [(b"content-type", self.kind.encode()), (b"etag", self.etag.encode())]
        told.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": told})
        half = len(self.body) // 2
        first = {"type": "http.response.body", "body": self.body[:half], "more_body": True}
        await send(first)
        await send({"type": "http.response.body", "body": self.body[half:]})


def asked(packed: Packed, path: str = "/static/js/a.js", accept: str = "gzip, br", **more: str):
    """Status, headers and body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"accept-encoding", accept.encode())] if accept else []
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, **more}
    asyncio.run(packed(scope, None, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(one.get("body", b"") for one in sent[1:])


def test_a_script_is_sent_compressed_and_is_the_same_script():
    packed = Packed(Files(SCRIPT, "application/javascript"), str)
    for _ in range(2):
        _, told, body = asked(packed)
        assert told["content-encoding"] == "gzip"
        assert told["vary"] == "accept-encoding"
        assert told["content-length"] == str(len(body))
        assert told["etag"] == 'W/"one"'
        assert len(body) < len(SCRIPT) / 10
        assert gzip.decompress(body) == SCRIPT


def test_another_script_under_the_same_address_is_not_the_one_that_was_kept():
    files = Files(SCRIPT, "application/javascript")
    packed = Packed(files, str)
    asked(packed)
    files.body, files.etag = SCRIPT + b"// later", '"two"'
    assert gzip.decompress(asked(packed)[2]) == files.body


def test_whoever_can_not_read_it_gets_it_as_it_is():
    _, told, body = asked(Packed(Files(SCRIPT, "text/css"), str), accept="")
    assert body == SCRIPT
    assert "content-encoding" not in told
    assert told["etag"] == '"one"'


def test_what_is_no_text_or_no_whole_file_passes_untouched():
    for kind, status, path in (
        ("font/woff2", 200, "/static/media/a.woff2"),
        ("application/javascript", 206, "/static/js/a.js"),
        ("application/javascript", 200, "/media/a.js"),
    ):
        code, told, body = asked(Packed(Files(SCRIPT, kind, status=status), str), path)
        assert (code, body) == (status, SCRIPT)
        assert "content-encoding" not in told


def test_the_page_is_changed_before_it_is_compressed():
    files = Files(HTML.encode(), "text/html")
    _, told, body = asked(Packed(files, arriving.page), "/compare")
    assert files.accepted == [None], "Streamlit would compress the page itself"
    assert gzip.decompress(body).decode() == arriving.page(HTML)
    assert "etag" not in told, "the name of another text"


def test_the_page_brings_the_style_and_the_scripts_of_the_elements():
    page = arriving.page(HTML)
    scripts = re.findall(r'modulepreload"[^>]*href="\./([^"]+)"', page)
    assert len(scripts) == len(set(scripts)) > HTML.count("modulepreload")
    assert all((arriving.STATIC / script).is_file() for script in scripts)
    for name in arriving.DRAWN:
        assert any(script.startswith(f"static/js/{name}.") for script in scripts), name
    assert "SourceSans" not in page
    assert "SourceSans" in HTML
    style = page.index(arriving.STYLE.read_text(encoding="utf-8"))
    assert page.index("</head>") < style < page.index('<div id="root">')
    assert arriving.late() == ""
