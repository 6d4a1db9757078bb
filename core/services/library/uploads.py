"""Query pictures that people gave, kept for a while so that a link brings them back.

On a public server each visitor's lie in the visitor's own folder, under a name that nobody else can
guess; a link to one opens for others only while its owner shares it.
"""

import hashlib
import hmac
import os
import re
import time
from pathlib import Path

from core import store
from core.errors import UserError
from core.services.hosting import limits, ownership
from core.services.hosting.settings import value
from core.services.search.request import Query
from core.services.search.subject import picture_of

KEEP_FILES = 400
KEEP_BYTES = 400 << 20
KEEP_DAYS = 14
SEEN = 224
"""So many pixels show whether a picture can be read: a large JPEG is decoded to the size that the
page and most encoders take next, and so only once."""
TOKEN = re.compile(r"[0-9a-f]{24}|[0-9a-f]{32}")
PLACE, SHARED = Path("cache", "uploads"), "shared"


def keep(data: bytes) -> str:
    """Check that ``data`` is a picture, keep it, and return its token: of the same picture the same
    token, and on a public server another one for each visitor.

    Raises:
        UserError: not a picture, damaged or too large; or a visitor's room is used up.
    """
    picture_of(Query(data=data), None).image(SEEN)  # kept for whoever is asked with it
    limits.check_room(len(data))
    token = _token(data, store.root())
    store.write_bytes(store.root() / PLACE / token, data, durable=False)
    _sweep()
    return token


def read(token: str) -> bytes:
    """The picture of a token.

    Raises:
        UserError: the token is malformed, its picture is no longer kept, or it is another visitor's
            who does not share it.
    """
    path = find(token)
    try:
        data = path.read_bytes()
        if not hmac.compare_digest(_token(data, path.parents[len(PLACE.parts)]), token):
            raise OSError("damaged")
        os.utime(path)
        return data
    except OSError as error:
        raise _gone() from error


def find(token: str) -> Path:
    """Where the picture of a token lies, unread. Raises UserError as :func:`read`."""
    if not TOKEN.fullmatch(token):
        raise UserError(
            "The link names an uploaded picture in a way that this app never writes.",
            fix="Upload it again.",
        )
    path = _home_of(token) / PLACE / token
    if not os.path.isfile(path):
        raise _gone()
    return path


def _gone() -> UserError:
    return UserError(
        "The uploaded picture of this link is no longer here, or is not shared.",
        f"Uploaded pictures are kept for {kept_for(others=True)}.",
        "Upload it again, or ask its owner to share it.",
    )


def kept_for(others: bool = False) -> str:
    """How long an uploaded picture is kept, in words; ``others``: it may be another visitor's."""
    if ownership.is_visitor():
        whose = "their owner's" if others else "your"
        return f"{value('visitor_hours'):g} hours after {whose} last visit"
    return f"{KEEP_DAYS} days"


def share(token: str, shared: bool = True) -> None:
    """Let links to an own picture open for whoever has them, or no longer.

    Raises:
        UserError: there is no such picture among one's own.
    """
    own = store.root()
    if not TOKEN.fullmatch(token) or not os.path.isfile(own / PLACE / token):
        raise UserError("This picture is not yours, so it can't be shared.")
    if shared:
        store.write_text(own / SHARED / token, "", durable=False)
    else:
        (own / SHARED / token).unlink(missing_ok=True)


def is_shared(token: str) -> bool:
    """Whether an own picture is shared."""
    return bool(TOKEN.fullmatch(token)) and (store.root() / SHARED / token).is_file()


def is_own(token: str) -> bool:
    """Whether the one who asks gave this picture."""
    return bool(TOKEN.fullmatch(token)) and os.path.isfile(store.root() / PLACE / token)


def _home_of(token: str) -> Path:
    """The artifacts folder of a picture that may be seen: the own one, else that of a visitor who
    shares it, else the operator's."""
    own = store.root()
    if os.path.isfile(own / PLACE / token) or not ownership.hosted():
        return own
    sharing = [
        one.folder for one in ownership.visitors() if os.path.isfile(one.folder / SHARED / token)
    ]
    return sharing[0] if sharing else store.base()


def _token(data: bytes, home: Path) -> str:
    """From the content alone where everybody is one person; else also from whose it is."""
    if (whose := ownership.owner_of(home)) is None:
        return hashlib.sha256(data).hexdigest()[:24]
    return hmac.new(whose.name.encode(), data, hashlib.sha256).hexdigest()[:32]


def _sweep() -> None:
    """Drop what is old, then the least recently used over the limits."""
    own, visiting = store.root(), ownership.is_visitor()
    most = int(value("visitor_uploads")) if visiting else KEEP_FILES
    total, oldest = 0, time.time() - KEEP_DAYS * 86400
    files = [
        (path, stat) for path in store.listed(own / PLACE) if (stat := _stat(path)) is not None
    ]
    for place, (path, stat) in enumerate(sorted(files, key=lambda pair: -pair[1].st_mtime)):
        total += stat.st_size
        if place >= most or total > KEEP_BYTES or stat.st_mtime < oldest:
            path.unlink(missing_ok=True)
            (own / SHARED / path.name).unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    """None where another sweep was faster."""
    try:
        return path.stat()
    except OSError:
        return None
