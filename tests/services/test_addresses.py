"""A picture at an address as a query: off unless the server allows it, only public hosts, limits of
time, size and content."""

from __future__ import annotations

import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from core.errors import UserError
from core.services.library import addresses


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 10, 60)).save(out, "PNG")
    return out.getvalue()


class Site(BaseHTTPRequestHandler):
    """Answers by path; ``asked`` are the hosts that were asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Host"])
        kind, _, rest = self.path.lstrip("/").partition("/")
        getattr(self, f"_{kind}")(rest)

    def _say(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _picture(self, rest: str) -> None:
        self._say(200, picture(), Content_Type="image/png")

    def _page(self, rest: str) -> None:
        self._say(200, b"<html>", Content_Type="text/html; charset=utf-8")

    def _gone(self, rest: str) -> None:
        self._say(404)

    def _on(self, rest: str) -> None:
        self._say(302, Location=rest)

    def _round(self, rest: str) -> None:
        self._say(302, Location="/round")

    def _large(self, rest: str) -> None:
        self._say(200, b"x", Content_Length=str(addresses.MAX_BYTES + 1))

    def _endless(self, rest: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x" * 2000)

    def _short(self, rest: str) -> None:
        self._say(200, b"x", Content_Length="50")

    def _silent(self, rest: str) -> None:
        self.server.hold.wait(20)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch):
    """A server that counts as public under the name of a test host; the real loopback does not."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.hold, server.daemon_threads = threading.Event(), True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv(addresses.SETTING, "1")
    monkeypatch.setattr(Site, "asked", [])
    real, public = addresses._public, {"pictures.test"}
    monkeypatch.setattr(
        addresses, "_public", lambda host, port: "127.0.0.1" if host in public else real(host, port)
    )
    yield f"http://pictures.test:{server.server_port}"
    server.hold.set()
    server.shutdown()
    server.server_close()


def test_a_picture_is_fetched_under_its_own_host_name(site):
    assert addresses.picture_at(f" {site}/picture/a.png?x=1 ") == picture()
    assert Site.asked == [site.removeprefix("http://")]


def test_it_follows_a_few_redirects(site):
    assert addresses.picture_at(f"{site}/on//picture") == picture()
    with pytest.raises(UserError, match="more than 3 times"):
        addresses.picture_at(f"{site}/round")
    assert len(Site.asked) == 2 + 4


@pytest.mark.parametrize("setting", ["", "0"])
def test_it_is_off_unless_the_server_allows_it(site, monkeypatch, setting):
    monkeypatch.setenv(addresses.SETTING, setting)
    with pytest.raises(UserError, match="fetches no pictures"):
        addresses.picture_at(f"{site}/picture")
    assert not Site.asked


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("page", "a page, not to a picture"),
        ("gone", "404 Not Found"),
        ("large", "At most 26 MB"),
        ("short", "could not be asked"),
        ("on/http://127.0.0.1:1/x", "not a public host"),
        ("on/http://localhost/x", "not a public host"),
        ("on/file:///etc/passwd", "no address of a picture"),
    ],
)
def test_what_is_no_picture_or_leads_inside_is_refused(site, path, why):
    with pytest.raises(UserError, match=why):
        addresses.picture_at(f"{site}/{path}")


def test_what_does_not_end_is_cut_at_the_limit(site, monkeypatch):
    monkeypatch.setattr(addresses, "MAX_BYTES", 100_000)
    with pytest.raises(UserError, match=r"has 0\.\d MB"):
        addresses.picture_at(f"{site}/endless")


def test_a_host_that_says_nothing_is_given_up(site, monkeypatch):
    monkeypatch.setattr(addresses, "SECONDS", 0.2)
    with pytest.raises(UserError, match="no picture within"):
        addresses.picture_at(f"{site}/silent")


@pytest.mark.parametrize(
    "address",
    [
        "", "pictures.test/a.png", "ftp://pictures.test/a", "file:///etc/passwd", "https://", "http://[::1",
        "http://pictures.test/\r\nHost: other", "https://pictures.test/" + 2000 * "a", "http://x:99999/", "http://bücher.test/",
    ],
)  # fmt: skip
def test_what_is_no_address_gets_a_sentence(site, address):
    with pytest.raises(UserError, match="no address of a picture"):
        addresses.picture_at(address)
    with pytest.raises(UserError, match="a name or a password"):
        addresses.picture_at("https://me:secret@pictures.test/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]",
        "2130706433", "0x7f.1", "127.1",
    ],
)  # fmt: skip
def test_hosts_that_only_the_server_reaches_are_refused(site, host):
    with pytest.raises(UserError, match=r"not a public host|There is no host"):
        addresses.picture_at(f"http://{host}/picture")
    assert not Site.asked


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(ip):
    assert addresses.is_public(ip)


def test_a_name_with_one_private_address_is_refused_and_looked_up_once(site, monkeypatch):
    seen = []

    def look(host, port, **more):
        seen.append(host)
        return [(2, 1, 6, "", (ip, port)) for ip in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    with pytest.raises(UserError, match="not a public host"):
        addresses.picture_at("http://both.test/")
    assert seen == ["both.test"]
