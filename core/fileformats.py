"""What the bytes of a picture file say before they are decoded: its format, where the picture ends,
how a JPEG is built.

What lies behind a picture's end (a video, a second picture, padding) belongs to somebody else and
counts for nothing.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice

HEAD = 32
"""So many first bytes tell the format."""
MAX_PIECES = 50_000
"""Segments, chunks or blocks that are walked; honest files have thousands, bombs millions."""
EXIF_SEGMENT, SCAN, END = 0xE1, 0xDA, 0xD9
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
FRAMES = (0xC0, 0xC1, *PROGRESSIVE, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF)
NO_LENGTH = (0x01, 0xD8)
PILLOW_READS = {*range(0xC0, 0xD0), *range(0xDB, 0xF0), 0xFE} - {0xC8}
"""Markers whose contents Pillow steps over."""
TIFF_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of one value of a TIFF field, by its type."""
FILLING = (
    b"",
    b"\xff\0" * 40,
    *(
        bytes(start + step * place & 0x7F for place in range(64))
        for start, step in ((0x55, 0), (0x2A, 0), (0x0F, 37), (0x71, 11), (0x3C, 53))
    ),
)
"""Made continuations of a scan: different enough that one that is read shows in the pixels."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Of photographs that phones store as HEVC, which is not decoded here."""
VP8_START = b"\x9d\x01\x2a"
"""What a whole frame of a WebP begins with, before its size."""
PADDING = bytes(16)
"""So many zeros at the end fill up a file; fewer may be its contents."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_HEADER_MARKER = re.compile(rb"\xff[\xc0-\xfe]")


def beginning(path: str) -> bytes:
    """The first :data:`HEAD` bytes of a file: enough for :func:`format_of`. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(HEAD)


def format_of(head: bytes) -> str | None:
    """The format that a file's first :data:`HEAD` bytes announce, in Pillow's word; None where no
    picture begins so."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return "AVIF"
    # two letters are a thin sign: what follows has to be the header's size, too
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and head[14] in (12, 40, 52, 56, 64, 108, 124)
        and head[15:18] == b"\0\0\0"
    ):
        return "BMP"
    return None


def is_heif(head: bytes) -> bool:
    """Whether a file's first :data:`HEAD` bytes announce a HEIC or HEIF photograph."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS and b"avif" not in head


def end_of(data: bytes) -> int | None:
    """Where the first picture of a file ends, in bytes; None where that can't be told from ``data``
    (a beginning may do)."""
    known = {
        "JPEG": _jpeg_end,
        "PNG": _png_end,
        "GIF": _gif_end,
        "WEBP": _webp_end,
        "TIFF": _tiff_end,
        "AVIF": _avif_end,
        "BMP": _bmp_end,
    }
    walk = known.get(format_of(data[:HEAD]) or "")
    try:
        return walk(data) if walk else None
    except (
        struct.error,
        IndexError,
        KeyError,
        ValueError,
    ):  # it breaks off in the middle of a header
        return None


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, position behind it) of a JPEG's segments up to its end mark, as libjpeg walks."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        yield marker, at
        if marker == END:
            return
        if marker not in NO_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2]))


def exif_segments(data: bytes, most: int) -> int:
    """APP1 segments in front of a JPEG's first scan; counting ends at ``most``.

    Pillow's walk and not libjpeg's: it does not step over the contents of every marker. More than
    :data:`MAX_PIECES` are not walked through and count as ``most``.
    """
    at, count = 2, 0
    for _ in range(MAX_PIECES):
        found = _HEADER_MARKER.search(data, at)
        marker, at = (data[found.end() - 1], found.end()) if found else (SCAN, at)
        count += marker == EXIF_SEGMENT
        if marker == SCAN or count >= most:
            return count
        if marker in PILLOW_READS:
            at += max(2, int.from_bytes(data[at : at + 2]))
    return most


def scans(data: bytes) -> int:
    """Scans of a JPEG; more pieces than :data:`MAX_PIECES` are not walked and count as scans."""
    found = [marker for marker, _ in islice(segments(data), MAX_PIECES)]
    return found.count(SCAN) if len(found) < MAX_PIECES else len(found)


def endings(data: bytes) -> list[bytes]:
    """A JPEG without its end mark, ended in several ways; empty where it has one, or lacks a scan.

    Where nothing else is missing, all of them decode to the same pixels: the bytes in front of the
    end mark are read by nobody. Where the last scan breaks off they are read as its continuation,
    and the pixels differ.
    """
    found = list(islice(segments(data), MAX_PIECES))
    if (
        not found
        or found[-1][0] == END
        or len(found) == MAX_PIECES
        or not _has_every_scan(data, found)
    ):
        return []
    start = found[-1][1]
    kept = _without_padding(data)
    last = [one.group() for one in _RESTART.finditer(kept, start)][-1:]
    restart = bytes((0xFF, 0xD0 + (last[0][1] - 0xD0 + 1) % 8 if last else 0xD0))
    between = [b"", restart] if any(marker == 0xDD for marker, _ in found) else [b""]
    return [kept + mark + filling + b"\xff\xd9" for mark in between for filling in FILLING]


def _without_padding(data: bytes) -> bytes:
    """Without zeros that fill up the file, and without the first half of an end mark."""
    kept = data.rstrip(b"\0")
    if not data.endswith(PADDING):
        kept = data
    elif kept.endswith(b"\xff"):
        kept += b"\0"
    return kept.removesuffix(b"\xff")


def _has_every_scan(data: bytes, found: list[tuple[int, int]]) -> bool:
    """Whether the scans cover every component and, if progressive, every coefficient wholly."""
    frame = next(((marker, at) for marker, at in found if marker in FRAMES), None)
    if frame is None or len(data) < frame[1] + 8:
        return False
    marker, at = frame
    count = data[at + 7]
    bits_left = {component: [1] * 64 for component in data[at + 8 : at + 8 + 3 * count : 3]}
    for at in (at for kind, at in found if kind == SCAN):
        number = data[at + 2] if len(data) > at + 2 else 0
        if len(data) < at + 6 + 2 * number:
            return False
        first, last, bits = data[at + 3 + 2 * number : at + 6 + 2 * number]
        if marker not in PROGRESSIVE:
            first, last, bits = 0, 63, 0
        for component in data[at + 3 : at + 3 + 2 * number : 2]:
            bits_left.get(component, [1] * 64)[first : last + 1] = [bits & 15] * (
                min(last, 63) + 1 - first
            )
    return bool(bits_left) and not any(any(left) for left in bits_left.values())


def _jpeg_end(data: bytes) -> int | None:
    found = list(islice(segments(data), MAX_PIECES))
    return found[-1][1] if found and found[-1][0] == END else None


def _png_end(data: bytes) -> int | None:
    """Behind IEND; of an animation whose end is out of sight, behind its first picture."""
    at, picture, end = 8, None, None
    for _ in range(MAX_PIECES):
        if at + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND":
            return at + 12
        end = end if name == b"IDAT" else picture
        at += 12 + length
        picture = at if name == b"IDAT" else picture
    return end


def _gif_end(data: bytes) -> int:
    """Behind the first frame: the others are not looked at."""
    at = 13 + _gif_palette(data[10])
    for _ in range(MAX_PIECES):
        if data[at] == 0x2C:
            return _gif_blocks(data, at + 11 + _gif_palette(data[at + 9]))
        if data[at] != 0x21:
            break
        at = _gif_blocks(data, at + 2)
    raise ValueError("no frame")


def _gif_palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int) -> int:
    while size := data[at]:
        at += 1 + size
    return at + 1


def _webp_end(data: bytes) -> int:
    return 8 + struct.unpack_from("<I", data, 4)[0]


def webp_pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP that is one opaque picture and nothing else: no metadata, no
    profile, no second frame, not a byte behind it. None for every other file."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8 ":
        return None
    whole, frame = (struct.unpack_from("<I", data, at)[0] for at in (4, 16))
    if len(data) != 8 + whole or whole != 12 + frame + frame % 2 or data[23:26] != VP8_START:
        return None
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp_end(data: bytes) -> int:
    size, _, start, header = struct.unpack_from("<IIII", data, 2)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return start + (width * bits + 31) // 32 * 4 * height
    width, height, _, bits, packed = struct.unpack_from("<iiHHI", data, 18)
    return size if packed in (1, 2) else start + (width * bits + 31) // 32 * 4 * abs(height)


def _avif_end(data: bytes) -> int | None:
    """Behind the last box that belongs to the picture; another ``ftyp`` is another file."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        size = struct.unpack_from(">Q", data, at + 8)[0] if size == 1 else size
        if name not in (
            (b"ftyp",) if at == 0 else (b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid")
        ):
            return at or None
        if size < 8:
            return None
        at += size
    return at


def _tiff_end(data: bytes) -> int:
    """Behind the first page's directory, the values it points to and their strips or tiles."""
    order = "<" if data[:2] == b"II" else ">"
    large = data[2:4] in (b"+\0", b"\0+")
    word, entry, count_kind = ("Q", 20, "Q") if large else ("I", 12, "H")
    at = struct.unpack_from(order + word, data, 8 if large else 4)[0]
    count = struct.unpack_from(order + count_kind, data, at)[0]
    if count > MAX_PIECES:
        raise ValueError("too many entries")
    first = at + struct.calcsize(order + count_kind)
    end = first + entry * count + struct.calcsize(word)
    listed: dict[int, tuple[int, ...]] = {}
    for place in range(first, first + entry * count, entry):
        tag, kind, number = struct.unpack_from(f"{order}HH{word}", data, place)
        size, held = TIFF_SIZES.get(kind, 1) * number, place + entry - struct.calcsize(word)
        if size > struct.calcsize(word):
            held = struct.unpack_from(order + word, data, held)[0]
            end = max(end, held + size)
        if tag in (273, 279, 324, 325):
            listed[tag] = struct.unpack_from(
                f"{order}{number}{ {3: 'H', 4: 'I', 16: 'Q'}[kind] }", data, held
            )
    for offsets, sizes in ((273, 279), (324, 325)):
        end = max(
            [end, *map(sum, zip(listed.get(offsets, ()), listed.get(sizes, ()), strict=False))]
        )
    return end
