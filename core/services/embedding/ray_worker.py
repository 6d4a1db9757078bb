"""What one worker of a Ray cluster does: it holds the encoders of a build, and makes finished parts
of stretches of pictures.

It runs the code of a local build, picture by picture and batch by batch, so that the same vectors
come out and broken pictures are told in the same words.
"""

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders import resampling
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding.contents import digest
from core.services.embedding.encoding import Prepared, prepare_one
from core.services.embedding.parquet_parts import Home, Rows, file_name, packed
from core.types import Item
from core.weights import graphs


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to encode: which of the sources it is of, what it is there, its id and its key in
    the data set that is built, and the positions of the encoders that need it."""

    source: int
    item: Item
    id: str
    key: str
    wanted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pictures that become one part of each encoder, in the batches of a local build."""

    number: int
    batches: tuple[tuple[Picture, ...], ...]

    @property
    def pictures(self) -> list[Picture]:
        return [picture for batch in self.batches for picture in batch]


@dataclass(frozen=True, slots=True)
class Probe:
    """A picture that the driver read, and the digest of its bytes: whoever reads another thing
    doesn't see the same source."""

    source: int
    item: Item
    digest: int


@dataclass(frozen=True, slots=True)
class Task:
    """What all workers of a build are told.

    ``causes``: the fingerprint of each encoder as the driver has it. ``homes``: where its parts are
    written, None = they are sent to the driver. ``streamed``: each of ``threads`` encodes batches
    on one core, as :mod:`core.services.embedding.encoding` does; else they prepare pictures, and a
    network has all of them. ``compiled``: the encoders, by place, whose compiled networks the
    driver uses: their vectors differ from torch's by rounding, and all machines are to give the
    same.
    """

    sources: tuple[Dataset, ...]
    encoders: tuple[Encoder, ...]
    causes: tuple[str, ...]
    homes: tuple[Home | None, ...]
    probe: Probe | None
    threads: int
    streamed: bool = False
    compiled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A part of one encoder: its file's name, and its bytes where nobody has written them yet;
    ``spent``: seconds of work in each stage of a build."""

    position: int
    name: str
    data: bytes
    keys: list[str]
    skipped: dict[str, str]
    spent: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a stretch: a part for each encoder with something to do, the digests of the
    pictures' contents, the keys of those that are no longer there, or why the worker can't work."""

    number: int
    pictures: int = 0
    made: tuple[Made, ...] = ()
    contents: tuple[int | None, ...] = ()
    absent: tuple[str, ...] = ()
    refused: UserError | None = None


@dataclass(frozen=True, slots=True)
class _Encoded:
    """What came out of a batch: by picture the digest of its content and whether there is no such
    file any more; by encoder the outcomes, a vector or a reason, of the others that it needs;
    ``shared``: seconds of reading, decoding
    and preparing, ``own``: by encoder those of encoding."""

    contents: list[int | None]
    absent: list[bool]
    vectors: list[np.ndarray]
    skipped: list[list[str | None]]
    shared: np.ndarray
    own: list[float]


class Worker:
    """An actor. What stands in its way is told with its first reply: an actor that can't be made is
    tried again for ever."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._pool = ThreadPoolExecutor(task.threads, "encode", self._begin_thread)
        self._refused: UserError | None = None
        try:
            self._begin()
        except UserError as error:
            self._refused = error

    def _begin(self) -> None:
        told = zip(self.task.encoders, self.task.causes, strict=True)
        for place, (encoder, causes) in enumerate(told):
            with graphs.switched(on=place in self.task.compiled):
                encoder.load()
                encoder.compile()
            if store.fingerprint(encoder.fingerprint()) != causes:
                raise UserError(
                    f"{encoder.name} on {platform.node()} is not the one of the machine that the"
                    " build was started on: its weights or its code differ.",
                    fix="Give every machine the same version and the same weights.",
                )
        if any(encoder.resizes for encoder in self.task.encoders):
            resampling.load()
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self.task.threads)  # of this thread, and of those that it starts
        if self.task.probe is not None:
            self._see(self.task.probe)

    def _begin_thread(self) -> None:
        torch = sys.modules.get("torch")
        if torch and self.task.streamed:
            torch.set_num_threads(1)

    def _see(self, probe: Probe) -> None:
        source = self.task.sources[probe.source]
        where = f"{platform.node()} can't read the pictures of {source.locator}"
        fix = (
            "Put them where every machine of the cluster finds them under this name: in a shared"
            " folder, or an object store."
        )
        try:
            found = digest(source.read(probe.item))
        except Exception as error:
            raise UserError(f"{where}: {error}", fix=fix) from error
        if found != probe.digest:
            raise UserError(f"{where}: {probe.item.id!r} is another picture there.", fix=fix)

    def __call__(self, batch: dict) -> dict:
        """A batch of Ray Data with one stretch -> one with its reply."""
        (stretch,) = batch["stretch"]
        try:
            if self._refused is not None:
                raise self._refused
            reply = self._encode(stretch)
        except UserError as error:
            reply = Reply(stretch.number, refused=error)
        return {"reply": [reply]}

    def _encode(self, stretch: Stretch) -> Reply:
        if self.task.streamed:
            encoded = list(self._pool.map(self._streamed, stretch.batches))
        else:
            encoded = [self._encoded(*one) for one in self._prepared(stretch.batches)]
        pictures = stretch.pictures
        contents = [content for one in encoded for content in one.contents]
        absent = [lost for one in encoded for lost in one.absent]
        made = []
        for position in range(len(self.task.encoders)):
            wanted = [
                at
                for at, picture in enumerate(pictures)
                if position in picture.wanted and not absent[at]
            ]
            if wanted:
                made.append(self._make(position, wanted, pictures, contents, encoded))
        lost = tuple(one.key for one, gone in zip(pictures, absent, strict=True) if gone)
        return Reply(stretch.number, len(pictures), tuple(made), tuple(contents), lost)

    def _prepare(self, picture: Picture) -> Prepared:
        return prepare_one(self.task.sources[picture.source], picture.item, self.task.encoders)

    def _streamed(self, batch: Sequence[Picture]) -> _Encoded:
        """In a thread of its own, on one core."""
        return self._encoded(batch, [self._prepare(picture) for picture in batch])

    def _prepared(
        self, batches: Sequence[Sequence[Picture]]
    ) -> Iterator[tuple[Sequence[Picture], list[Prepared]]]:
        """Batches, prepared by threads while the one before is encoded."""
        following: list[Future] = []
        for at, batch in enumerate(batches):
            waiting = following or [self._pool.submit(self._prepare, one) for one in batch]
            ahead = batches[at + 1] if at + 1 < len(batches) else ()
            following = [self._pool.submit(self._prepare, one) for one in ahead]
            yield batch, [one.result() for one in waiting]

    def _encoded(self, pictures: Sequence[Picture], prepared: Sequence[Prepared]) -> _Encoded:
        vectors, skipped, own = [], [], []
        for position, encoder in enumerate(self.task.encoders):
            wanted = [
                one
                for picture, one in zip(pictures, prepared, strict=True)
                if position in picture.wanted and not one.absent
            ]
            arrays = [array for one in wanted if (array := one.array(position)) is not None]
            none, started = np.zeros((0, encoder.stored_dim), np.float32), time.perf_counter()
            vectors.append(encoder.encode_stored(arrays) if arrays else none)
            own.append(time.perf_counter() - started)
            skipped.append(
                [
                    str(one.outcomes[position]) if one.array(position) is None else None
                    for one in wanted
                ]
            )
        shared = np.sum([one.spent for one in prepared], axis=0)
        contents, absent = [one.content for one in prepared], [one.absent for one in prepared]
        return _Encoded(contents, absent, vectors, skipped, shared, own)

    def _make(
        self,
        position: int,
        wanted: Sequence[int],
        pictures: Sequence[Picture],
        contents: Sequence[int | None],
        encoded: Sequence[_Encoded],
    ) -> Made:
        """The part of one encoder, written where the parts are kept, if that is not the driver."""
        rows = Rows(
            [pictures[at].id for at in wanted],
            [pictures[at].key for at in wanted],
            [contents[at] for at in wanted],
            [why for one in encoded for why in one.skipped[position]],
            np.concatenate([one.vectors[position] for one in encoded]),
        )
        encoder, home = self.task.encoders[position], self.task.homes[position]
        started = time.perf_counter()
        about = {"encoder": encoder.name, "encoder_key": self.task.causes[position]}
        name, data = file_name(rows.keys), packed(rows, about)
        if home is not None:
            home.write(name, data)
            data = b""
        shared = np.sum([one.shared for one in encoded], axis=0)
        own = sum(one.own[position] for one in encoded)
        spent = (*map(float, shared), own, time.perf_counter() - started)
        return Made(position, name, data, rows.kept, rows.reasons, spent)
