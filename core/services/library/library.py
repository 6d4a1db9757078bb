"""What there is: datasets, encoders, indexes and caches, as rows for a page or a command."""

import json
import logging
import os
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import store
from core.datasets import layout
from core.datasets.base import Dataset, datasets
from core.datasets.folder import Folder, layout_of
from core.datasets.names import real, shown
from core.datasets.paths import open_dataset as open_source
from core.datasets.zipped import Zip
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.indexes.base import Index, indexes
from core.items import coded
from core.keypoints import MATCHERS
from core.services.hosting import limits, ownership
from core.services.library import compared, passed_over

log = logging.getLogger(__name__)
FRESH_S = 5.0
LISTING_SHARE = 20
"""A listing is good for so many times the seconds that it took."""
MAX_OPEN = 64
MAX_ARCHIVE = 1 << 30
APART = frozenset('/\\:*?"<>|~')
"""Characters that mean something in a path, or in a link's name of a data set."""
LIST = Path("library", "datasets.json")
_open: dict[str, tuple[float, Dataset]] = {}


def open_dataset(locator: str, *, fresh: bool = False) -> Dataset:
    """A dataset by name or path, listed a few seconds ago at most; ``fresh`` lists it again now.

    What takes long to list is listed less often. While nothing has changed, the object stays the
    same.

    Raises:
        UserError: nothing there, or nothing in it.
    """
    _check_may_open(locator)
    until, known = _open.get(locator, (0.0, None))
    if known is not None and not fresh and time.monotonic() < until:
        return known
    started = time.monotonic()
    found = open_source(locator)
    if found.state().kind == "ready" and found.items and known is not None:
        same = (found.items, found.skipped, found.remarks) == (
            known.items,
            known.skipped,
            known.remarks,
        )
        found = known if same else found
    now = time.monotonic()
    _open[locator] = (now + max(FRESH_S, LISTING_SHARE * (now - started)), found)
    for old in list(_open)[:-MAX_OPEN]:
        _open.pop(old, None)
    return found


def _check_may_open(locator: str) -> None:
    """A visitor of a public server opens what the operator lists and what they brought: no path of
    the server, and nothing of others. Raises UserError in the words for what does not exist."""
    one = ownership.visitor()
    if one is None or locator in datasets.names() or locator in added():
        return
    path = os.path.abspath(real(os.path.expanduser(locator)))
    if ownership.owner_of(path) == one:  # a table there names nothing outside: Manifest sees to it
        return
    raise UserError(
        f"There is no data set {os.path.basename(locator)[:60]!r} of yours.",
        f"There are: {', '.join(datasets.names())}, and those that you add.",
    )


def forget(folder: Path) -> None:
    """Keep nothing open that lies under a folder: it goes."""
    home = str(folder.absolute()) + os.sep
    for locator in [locator for locator in list(_open) if locator.startswith(home)]:
        _open.pop(locator, None)


def dataset_rows() -> list[dict]:
    """Every named and every added dataset: name, title, kind, locator, state, detail, pictures,
    labels, splits, protocols, what was seen and passed over in listing, and remarks on what was
    used, but not as it stands."""
    return [dataset_row(locator) for locator in [*datasets.names(), *added()]]


def dataset_row(locator: str) -> dict:
    """The row of one dataset by name or path; what is wrong with it stands in ``detail``."""
    row: dict[str, Any] = {
        "name": locator,
        "title": locator,
        "kind": "",
        "locator": locator,
        "state": "unavailable",
        "detail": "",
        "note": "",
    }
    row |= {
        "pictures": 0,
        "labels": 0,
        "splits": {},
        "protocols": [],
        "seen": 0,
        "skipped": 0,
        "remarks": [],
        "layout": "",
    }
    row["added"] = locator in own_added()
    try:
        dataset = open_source(locator) if locator in datasets.names() else open_dataset(locator)
        state = dataset.state()
        row |= {
            "name": dataset.name,
            "title": dataset.title or dataset.name,
            "kind": dataset.kind,
            "note": dataset.note,
        }
        row |= {"state": state.kind, "detail": state.detail, "bytes": state.bytes}
        return row | (contents(open_dataset(locator)) if state.kind == "ready" else {})
    except UserError as error:
        return row | {"detail": str(error)}


def contents(dataset: Dataset) -> dict:
    """What is in a data set that is here: the part of :func:`dataset_row` that lists it."""
    items = dataset.items
    return {
        "pictures": len(items),
        "labels": len(coded(items, "label").values),
        "splits": coded(items, "split").counts(),
        "protocols": [protocol.name for protocol in dataset.protocols()],
        "seen": dataset.seen,
        "skipped": len(dataset.skipped),
        "remarks": [{"where": one.id, "remark": one.text} for one in dataset.remarks],
        "layout": _layout(dataset),
    }


def _layout(dataset: Dataset) -> str:
    """How folders were understood, in words of :mod:`core.datasets.layout`; or empty."""
    if not isinstance(dataset, Folder | Zip):
        return ""
    chosen = layout.chosen(dataset.locator)
    return layout.written(layout_of(dataset) if chosen is None else chosen)


def encoder_rows() -> list[dict]:
    """Every listed encoder: name, title, family, tier, dim, state, detail, bytes, about, and what
    reads ``text`` for it (see :func:`_text_row`)."""
    return [encoder_row(encoders.get(name)) for name in encoders.names()]


def encoder_row(encoder: Encoder) -> dict:
    state = limits.within_reach(encoder.state())
    return {
        "name": encoder.name,
        "title": encoder.title or encoder.name,
        "family": encoder.family,
        "tier": encoder.tier,
        "dim": encoder.dim,
        "reranks": not encoder.matches,
        "matchers": [[name, MATCHERS[how]] for how, name in encoder.matchers().items()],
        "state": state.kind,
        "detail": state.detail,
        "bytes": state.bytes,
        "about": encoder.about,
        "text": _text_row(encoder),
    }


def _text_row(encoder: Encoder) -> dict | None:
    """``languages``, ``state``, ``detail`` and ``bytes`` of a text tower; None without one."""
    if encoder.words is None:
        return None
    state = limits.within_reach(encoder.words.state())
    return {
        "languages": encoder.words.languages,
        "state": state.kind,
        "detail": state.detail,
        "bytes": state.bytes,
    }


def get_encoder_row(name: str) -> dict:
    """The row of one encoder by name, listed or not (any of timm). Raises UserError."""
    return encoder_row(encoders.get(name))


def encoder_title(name: str) -> str:
    """What people call an encoder; an unknown name (of another machine) is its own title."""
    try:
        return get_encoder_row(name)["title"]
    except UserError:
        return name


def index_rows() -> list[dict]:
    """Every index: name, title, about, what it can do, and its knobs (see :func:`index_row`)."""
    return [index_row(indexes.get(name)) for name in indexes.names()]


def index_row(index: Index) -> dict:
    """One index as a row.

    ``knobs`` are the defaults; ``build_knobs`` and ``search_knobs`` name -> default, low, high,
    values (worth trying), about. ``filter`` says in words how a filter is kept.
    """
    state = index.state()
    return {
        "name": index.name,
        "title": index.title,
        "about": index.about,
        "exact": index.exact,
        "score": index.score,
        "state": state.kind,
        "detail": state.detail,
        "knobs": {
            name: knob.default for name, knob in {**index.build_knobs, **index.search_knobs}.items()
        },
        "build_knobs": {name: asdict(knob) for name, knob in index.build_knobs.items()},
        "search_knobs": {name: asdict(knob) for name, knob in index.search_knobs.items()},
        "filter": "in the search" if index.selects else "fetches more",
        "partial": index.partial,
        "mapped": index.mapped,
    }


def get_index_row(name: str) -> dict:
    """The row of one index by name, listed or not (``factory:IVF64,PQ16``). Raises UserError."""
    return index_row(indexes.get(name))


def cache_rows() -> list[dict]:
    """Everything that can be deleted and built again: kind, key, source (the locator of its data
    set, empty where it has none), dataset, encoder, index, bytes, built, used (epoch seconds)."""
    return [
        {
            "kind": entry.kind,
            "key": entry.key,
            "bytes": entry.bytes,
            "built": entry.built,
            "used": entry.used,
            "source": entry.meta.get("source", ""),
            "dataset": entry.meta.get("dataset_name", entry.meta.get("dataset", "")),
            "encoder": entry.meta.get("encoder_name", entry.meta.get("encoder", "")),
            "index": entry.meta.get("index_name", ""),
            "rows": entry.meta.get("pictures", entry.meta.get("rows", 0)),
            "seconds": entry.meta.get("seconds", 0.0),
        }
        for entry in store.entries()
    ]


def delete_cache(kind: str, key: str) -> int:
    """Delete one cache entry; returns the bytes freed (0 where there was none)."""
    return store.delete(kind, key)


def skipped_rows(locator: str, encoder: str | None = None) -> list[dict]:
    """What was passed over, with the reason: :func:`core.services.library.passed_over.rows`."""
    return passed_over.rows(open_dataset(locator), encoder)


def added() -> list[str]:
    """Locators that were added: one's own, then what the operator of a public server added."""
    return list(dict.fromkeys(one for home in store.layers() for one in _added_in(home)))


def own_added() -> list[str]:
    """Locators that the one who asks added, and may remove."""
    return _added_in(store.root())


def _added_in(home: Path) -> list[str]:
    try:
        return read_list(home / LIST)
    except FileNotFoundError:
        return []
    except store.UNREADABLE as error:
        log.warning("the list of added data sets can't be read: %s", error)
        return []


def read_list(file: Path) -> list[str]:
    """The locators in a list of added data sets. Raises ValueError and the like otherwise."""
    found = json.loads(file.read_text())
    if not isinstance(found, list):
        raise ValueError("it is no list")
    return [one for one in found if isinstance(one, str)]


def _keep_list(locators: list[str]) -> None:
    """Write the list. One that can't be read is put aside before: a person may still find names in
    it."""
    file = store.root() / LIST
    try:
        read_list(file)
    except FileNotFoundError:
        pass
    except store.UNREADABLE:
        os.replace(
            file, file.with_name(f"{file.stem}-damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
        )
    store.write_text(file, json.dumps(locators))


def add_folder(path: str) -> str:
    """Add a folder, zip, CSV or Parquet by its path; returns the locator. Raises UserError."""
    ownership.require_operator("Adding a place on the server")
    return _added(str(path).strip())


def _added(path: str) -> str:
    dataset = open_dataset(path, fresh=True)
    if not dataset.items or dataset.locator in datasets.names():  # it is listed by its name already
        return dataset.locator
    with store.lock("library"):
        if dataset.locator not in own_added():
            _keep_list([*own_added(), dataset.locator])
    return dataset.locator


def add_archive(name: str, data: bytes) -> str:
    """Keep an uploaded zip and add it; returns the locator.

    Raises:
        UserError: too large, no archive, or no pictures in it. Nothing is kept then.
    """
    if len(data) > MAX_ARCHIVE:
        raise UserError(
            f"{name} has {len(data) / 1e6:.0f} MB.",
            f"At most {MAX_ARCHIVE / 1e6:.0f} MB.",
            "Add a folder instead.",
        )
    limits.check_zip(len(data))
    limits.check_room(len(data))
    told_apart = store.fingerprint([name, len(data), data[:4096].hex(), data[-4096:].hex()])[:6]
    target = _uploads() / told_apart / f"{stem(name)}.zip"  # its title is what was uploaded
    store.check_space(store.root(), len(data) + (64 << 20))
    store.write_bytes(target, data)
    try:
        return add_uploaded(str(target))
    except BaseException:
        if str(target) not in own_added():  # the same zip may have been there already
            shutil.rmtree(target.parent, ignore_errors=True)
        _open.pop(str(target), None)
        raise


def add_uploaded(locator: str) -> str:
    """Add what was uploaded; returns the locator. Raises UserError: too many for a visitor."""
    check_pictures(locator, len(open_dataset(locator, fresh=True).items))
    return _added(locator)


def stem(name: str) -> str:
    """The name of an uploaded file as its owner wrote it, without its ending, as a part of a path
    here: what cannot be seen, or has a meaning in paths or links, is a dash."""
    kept = "".join("-" if char in APART or not char.isprintable() else char
                   for char in Path(name).stem).strip("-. ")[:60].rstrip()  # fmt: skip
    try:
        os.fsencode(kept)
    except UnicodeEncodeError:  # the locale C
        kept = plain(kept)
    return kept or "pictures"


def plain(name: str) -> str:
    """A name in ASCII letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60]


def upload_folder(name: str, told: list[tuple[str, int]]) -> Path:
    """Where files uploaded together are kept: by a name, and what tells them from others."""
    return _uploads() / store.fingerprint([name, *map(list, told)])[:8]


def check_pictures(locator: str, more: int) -> None:
    """Whether the data set ``locator``, one's own or to be added, may have ``more`` pictures beside
    a visitor's others. Raises UserError."""
    if ownership.is_visitor():
        others = [open_dataset(one) for one in own_added() if one != locator]
        limits.check_pictures(sum(len(one.items) for one in others), more)


def remove_dataset(locator: str) -> None:
    """Forget an added dataset and delete its caches; an uploaded archive is deleted, a folder of
    the user's never.

    Raises:
        UserError: it was never added, or is being built now.
    """
    if locator not in own_added():
        locator = shown(os.path.abspath(real(os.path.expanduser(locator))))
    if locator not in own_added():
        raise UserError(
            f"{locator!r} was not added to the library.",
            f"Added: {', '.join(own_added()) or 'none'}.",
        )
    for entry in store.entries():
        if entry.meta.get("source") == locator:
            store.delete(entry.kind, entry.key)
    for kind in store.listed(store.root() / "cache"):
        if store.SAFE.fullmatch(kind.name):
            store.sweep(kind.name)  # what a removal left that was killed
    if (path := _upload_of(locator)) is not None:
        path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    with store.lock("library"):  # last: a removal that is killed before can be done again
        _keep_list([one for one in own_added() if one != locator])
    compared.forget(locator)
    _open.pop(locator, None)


def upload_bytes(locator: str) -> int:
    """Bytes of what was uploaded for a data set; 0 where its pictures lie in a user's folder."""
    path = _upload_of(locator)
    if path is None or not path.exists():
        return 0
    return store.folder_bytes(path) if path.is_dir() else path.stat().st_size


def _upload_of(locator: str) -> Path | None:
    """The file or folder of a data set among the uploads; None where it lies elsewhere."""
    path = Path(locator)
    if not path.is_relative_to(_uploads()) or path == _uploads():
        return None
    return _uploads() / path.relative_to(_uploads()).parts[0]


def _uploads() -> Path:
    return (store.root() / "library" / "uploads").absolute()
