"""A picture at an address of the web, as a query, where whoever runs the server allows it.

The server fetches for a visitor, who must not reach through it what only the server can reach:
every host has to be public, is looked up once, and the connection goes to that very address; each
redirect is held to the same. Time, size and content are limited.
"""

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from core.errors import UserError
from core.images import MAX_BYTES, too_large

SETTING = "LOOKALIKE_ADDRESSES"
SECONDS = 10.0
MAX_REDIRECTS, MAX_ADDRESS = 3, 2000
BLOCK = 1 << 16
PORTS = {"http": 80, "https": 443}
MOVED = (301, 302, 303, 307, 308)
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that lead to an IPv4 one (RFC 6052)."""
HEADERS = {"User-Agent": "lookalike", "Accept": "image/*", "Accept-Encoding": "identity"}
OTHERWISE = "Save the picture and drop it here, or try another address."


def allowed() -> bool:
    """Whether visitors may name addresses: ``LOOKALIKE_ADDRESSES=1`` says so."""
    return os.environ.get(SETTING, "") not in ("", "0")


def picture_at(address: str) -> bytes:
    """The bytes at an http or https address; whether they are a picture is told by who decodes
    them.

    Raises:
        UserError: not allowed here, no such address, a host that is not public, too slow, too
            large, or a page in place of a picture.
    """
    if not allowed():
        raise UserError(
            "This server fetches no pictures from addresses.",
            fix="Save the picture and drop it here.",
        )
    deadline, here = time.monotonic() + SECONDS, address.strip()
    for _ in range(1 + MAX_REDIRECTS):
        found = _fetched(_parts(here), deadline)
        if isinstance(found, bytes):
            return found
        here = urljoin(here, found)
    raise UserError(
        f"The address leads on to another one more than {MAX_REDIRECTS} times.", fix=OTHERWISE
    )


def _parts(address: str) -> SplitResult:
    """An address that may be asked, taken apart. Raises UserError."""
    try:
        parts = urlsplit(address)
        sound = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if (
        not sound
        or len(address) > MAX_ADDRESS
        or not address.isascii()
        or not address.isprintable()
    ):
        raise UserError(
            "That is no address of a picture.", "It begins with https:// or http://.", OTHERWISE
        )
    if parts.username or parts.password:
        raise UserError("The address holds a name or a password.", fix="Leave them out.")
    return parts


def _fetched(parts: SplitResult, deadline: float) -> bytes | str:
    """What lies at an address, or the address that it leads on to. Raises UserError."""
    port = parts.port or PORTS[parts.scheme]
    host = parts.hostname or ""
    place = _public(host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connection(parts.scheme, host, place, port, deadline) as asked:
            asked.request("GET", path.replace(" ", "%20"), headers=HEADERS)
            found = _answer(asked.getresponse())
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline or isinstance(error, TimeoutError):
            raise _too_slow() from error
        raise UserError(
            f"{parts.hostname} could not be asked ({type(error).__name__}).", fix=OTHERWISE
        ) from error
    if time.monotonic() >= deadline:
        raise _too_slow()
    return found


def _public(host: str, port: int) -> str:
    """The address that a host name stands for. Raises UserError where any is not public."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(f"There is no host {host[:100]!r}.", fix="Check the address.") from error
    found = [str(row[4][0]).partition("%")[0] for row in rows]
    if not found or not all(map(is_public, found)):
        raise UserError(
            f"{host[:100]} is not a public host.", "Only pictures on the public web are fetched."
        )
    return found[0]


def is_public(address: str) -> bool:
    """Whether an IP address can be reached by everybody: not private, local, reserved or multicast,
    nor one that stands for such an address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner is None and ip in TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


@contextmanager
def _connection(
    scheme: str, host: str, place: str, port: int, deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection to ``place`` that calls itself one to ``host``: the name is not looked up again.
    At the deadline it is cut, however slowly the other side drips."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    made: Any = kind(host, port, timeout=left)
    made.sock = socket.create_connection((place, port), timeout=left)
    if scheme == "https":
        made.sock = ssl.create_default_context().wrap_socket(
            made.sock, server_hostname=host, do_handshake_on_connect=False
        )
    cut = threading.Timer(max(deadline - time.monotonic(), 0.0), _cut, [made.sock])
    cut.daemon = True
    cut.start()
    try:
        if scheme == "https":
            made.sock.do_handshake()
        yield made
    finally:
        cut.cancel()
        made.close()


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _answer(answer: http.client.HTTPResponse) -> bytes | str:
    if answer.status in MOVED and (on := answer.getheader("Location")):
        return on
    if answer.status != 200:
        raise UserError(
            f"The address answers with {answer.status} {answer.reason[:60]}.", fix=OTHERWISE
        )
    kind = answer.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/"):
        raise UserError(
            "The address leads to a page, not to a picture.",
            fix="Copy the address of the picture itself.",
        )
    size = answer.getheader("Content-Length", "")
    if size.isdigit() and int(size) > MAX_BYTES:
        raise too_large(int(size))
    data = bytearray()
    while block := answer.read1(BLOCK):
        data += block
        if len(data) > MAX_BYTES:
            raise too_large(len(data))
    if size.isdigit() and len(data) < int(size):
        raise http.client.IncompleteRead(b"", int(size) - len(data))
    return bytes(data)


def _too_slow() -> UserError:
    return UserError(f"The address gave no picture within {SECONDS:.0f} s.", fix=OTHERWISE)
