"""Public sets that torchvision downloads, checks and lists. One row of ``TABLE`` is one set."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.datasets.base import datasets, file_stamp
from core.datasets.handles import Handle
from core.datasets.names import shown
from core.datasets.public import Public
from core.disk import remove
from core.errors import Cancelled, UserError
from core.images import read_file
from core.types import Item, Progress, Skipped, Step, doing, report, saying, tell

Picture = tuple[str, str, dict]
"""Path, label, attributes."""


@dataclass(frozen=True)
class Row:
    """``maker`` is the class in ``torchvision.datasets``, ``parts`` split -> its arguments;
    ``needs`` are relative paths.

    ``pictures(made)`` gives what a made torchvision set lists; None where it holds pixels
    (``data``, ``targets``).
    """

    maker: str
    title: str
    parts: Mapping[Any, dict]
    needs: tuple[str, ...]
    size: int
    source: str
    pictures: Callable[[object], Iterator[Picture]] | None = None


def _pets(made) -> Iterator[Picture]:
    for path, label, kind in zip(made._images, made._labels, made._bin_labels, strict=True):
        yield str(path), made.classes[label], {"species": made.bin_classes[kind].lower()}


def _files(made) -> Iterator[Picture]:
    for path, label in zip(made._image_files, made._labels, strict=True):
        yield str(path), made.classes[label].replace("_", " "), {}


def _caltech(made) -> Iterator[Picture]:
    for number, label in zip(made.index, made.y, strict=True):
        name = made.categories[label]
        yield (
            os.path.join(made.root, "101_ObjectCategories", name, f"image_{number:04d}.jpg"),
            name.replace("_", " "),
            {},
        )


TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
PIXELS = {"train": {"train": True}, "test": {"train": False}}
IDX = tuple(
    f"FashionMNIST/raw/{part}-{what}-ubyte"
    for part in ("train", "t10k")
    for what in ("images-idx3", "labels-idx1")
)
CIFAR = tuple(
    f"cifar-10-batches-py/{n}"
    for n in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
)

TABLE = {
    "oxford_pets": Row(
        "OxfordIIITPet",
        "Oxford-IIIT Pet",
        {"trainval": {"split": "trainval"}, "test": {"split": "test"}},
        ("oxford-iiit-pet/images", "oxford-iiit-pet/annotations"),
        811_000_000,
        "robots.ox.ac.uk/~vgg/data/pets",
        _pets,
    ),
    "flowers102": Row(
        "Flowers102",
        "Oxford Flowers 102",
        TRAIN_TEST | {"val": {"split": "val"}},
        ("flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"),
        345_000_000,
        "robots.ox.ac.uk/~vgg/data/flowers/102",
        _files,
    ),
    "caltech101": Row(
        "Caltech101",
        "Caltech 101",
        {None: {}},
        ("caltech101/101_ObjectCategories",),
        137_000_000,
        "data.caltech.edu/records/mzrjq-6wc02",
        _caltech,
    ),
    "food101": Row(
        "Food101",
        "Food-101",
        TRAIN_TEST,
        ("food-101/images", "food-101/meta"),
        4_996_000_000,
        "data.vision.ee.ethz.ch/cvl/datasets_extra/food-101",
        _files,
    ),
    "fashion_mnist": Row(
        "FashionMNIST",
        "Fashion-MNIST",
        PIXELS,
        IDX,
        31_000_000,
        "github.com/zalandoresearch/fashion-mnist",
    ),
    "cifar10": Row(
        "CIFAR10", "CIFAR-10", PIXELS, CIFAR, 170_000_000, "cs.toronto.edu/~kriz/cifar.html"
    ),
}


class TorchvisionSet(Public):
    """One row of ``TABLE``. torchvision is imported when the set is listed, read as pixels or
    downloaded, not before.

    CIFAR-10 is distributed as pickles; torchvision compares their MD5 with the published files'
    before it opens them, so nothing but the original is ever unpickled.
    """

    can_download = True

    def __init__(self, name: str, folder: str | None = None) -> None:
        self.name, self.row = name, TABLE[name]
        self.title, self.needs, self.size, self.source = (
            self.row.title,
            self.row.needs,
            self.row.size,
            self.row.source,
        )
        super().__init__(folder)
        self._handle = Handle(self._make_all)

    def __reduce__(self) -> tuple:  # a row of the table holds functions; its name says the same
        return (
            TorchvisionSet,
            (self.name, self.given),
            {k: v for k, v in vars(self).items() if k in ("folder", "_listing")},
        )

    def at(self, folder: str) -> TorchvisionSet:
        return TorchvisionSet(self.name, folder)

    def _make_all(self, **more: object) -> dict[str | None, Any]:
        """Split -> the made torchvision set. Raises UserError for whatever torchvision raises."""
        from torchvision import datasets as theirs

        try:
            maker = getattr(theirs, self.row.maker)
            return {
                split: maker(self.folder, **told, **more) for split, told in self.row.parts.items()
            }
        except Cancelled:
            raise
        except (
            Exception
        ) as error:  # torchvision, and what it reads with, raise nearly anything on damaged files
            raise UserError(
                f"The files of {self.title} in {shown(self.folder)} can't be used:"
                f" {_first_line(error)}",
                f"They come from {self.row.source}.",
                "Delete that folder and get them again.",
            ) from error

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        self.check()
        if self.row.pictures is None:
            with self._handle.use() as made:
                return [item for split in made for item in self._pixels(split, made[split])], []
        items, skipped = [], []
        for split, part in self._make_all().items():
            for path, label, attributes in self.row.pictures(part):
                name = os.path.relpath(path, self.folder)
                try:
                    items.append(
                        Item(
                            name,
                            path,
                            label,
                            split=split,
                            stamp=file_stamp(path),
                            attributes=attributes,
                        )
                    )
                except OSError as error:
                    skipped.append(Skipped(name, f"the file can't be opened: {error.strerror}"))
        return sorted(items, key=lambda item: item.id), skipped

    def _pixels(self, split: str | None, part) -> Iterator[Item]:
        for row in range(len(part.data)):
            stamp = f"{zlib.crc32(_array(part.data[row]).tobytes()):08x}"
            path = f"{shown(self.folder)}!/{split}/{row}"
            yield Item(
                f"{split}/{row:05d}",
                path,
                part.classes[int(part.targets[row])],
                split=split,
                stamp=stamp,
            )

    def read(self, item: Item) -> bytes:
        if self.row.pictures is not None:
            return read_file(item.path)
        split, _, row = item.id.rpartition("/")
        self.check()
        with self._handle.use() as made:
            return _png(_array(made[split].data[int(row)]))

    def download(self, progress: Progress | None = None) -> None:
        """Fetch, check and unpack through torchvision. ``progress`` gets bytes of all files, then
        those that are unpacked; stopping is safe."""
        if self.is_here():
            return
        try:
            os.makedirs(self.folder, exist_ok=True)
            with _reporting(progress, self.size):
                self._make_all(download=True)
        except (UserError, OSError) as error:
            raise UserError(
                f"{self.title} could not be downloaded: {_first_line(error.__cause__ or error)}",
                f"By hand: get it from {self.row.source}.",
                f"Put {', '.join(self.needs)} into {shown(self.folder)}.",
            ) from error


@contextmanager
def _reporting(progress: Progress | None, size: int) -> Iterator[None]:
    """Let torchvision report the bytes that it fetches and unpacks, ``size`` of them in all, to
    ``progress`` in place of drawing a bar."""
    from torchvision.datasets import utils

    tars = utils._ARCHIVE_EXTRACTORS
    before = utils.tqdm, tars[".tar"]
    utils.tqdm, tars[".tar"] = _Bars(progress, size), partial(_unpack, progress)
    try:
        yield
    finally:
        utils.tqdm, tars[".tar"] = before


class _Bars:
    """The part of tqdm that torchvision uses, one bar for all files of a set."""

    def __init__(self, progress: Progress | None, size: int) -> None:
        self.progress, self.total, self.done = progress, size, 0
        self._fetching: Progress | None = None

    def __call__(self, total: int | None = None, **_: object) -> _Bars:
        self.total = max(self.total, self.done + (total or 0))
        return self

    def __enter__(self) -> _Bars:
        self._fetching = doing(self.progress, Step.FETCH)
        tell(self._fetching, "Fetching")
        return self

    def __exit__(self, *_: object) -> None:
        doing(self.progress, Step.UNPACK)

    def update(self, more: int) -> None:
        self.done += more
        report(self._fetching, self.done, max(self.total, self.done))


def _unpack(progress: Progress | None, archive: str, into: str, *_: object) -> None:
    """Unpack a tar as torchvision does, counting what was read of it. What is unpacked stands under
    its name when all of it is there: a part of a set would look like the set."""
    unpacking, size = doing(progress, Step.UNPACK), os.path.getsize(archive)
    made = Path(into, ".unpacking")
    remove(made)
    with (
        saying(unpacking, "Unpacking"),
        open(archive, "rb") as file,
        tarfile.open(fileobj=file) as tar,
    ):
        for member in tar:
            tar.extract(member, made, filter="data")
            report(unpacking, file.tell(), size)
    for one in made.iterdir():
        remove(Path(into, one.name))
        os.replace(one, Path(into, one.name))
    remove(made)


def _array(pixels):
    return pixels.numpy() if hasattr(pixels, "numpy") else pixels


def _png(pixels) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


for _name in TABLE:
    datasets.add(_name, partial(TorchvisionSet, _name))
