"""What one worker of a Ray cluster does: it holds the encoders of a build, and makes finished parts
of stretches of pictures.

It runs the code of a local build, picture by picture and batch by batch, so that the same vectors
come out and broken pictures are told in the same words.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding.contents import digest
from core.services.embedding.feed import Prepared, prepare_one
from core.services.embedding.parquet_parts import Home, Rows, file_name, packed
from core.types import Item


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
    written, None = they are sent to the driver. ``threads``: of this many a local build would make
    use; the last digits of a vector depend on it.
    """

    sources: tuple[Dataset, ...]
    encoders: tuple[Encoder, ...]
    causes: tuple[str, ...]
    homes: tuple[Home | None, ...]
    probe: Probe | None
    threads: int


@dataclass(frozen=True, slots=True)
class Made:
    """A part of one encoder: its file's name, and its bytes where nobody has written them yet."""

    position: int
    name: str
    data: bytes
    keys: list[str]
    skipped: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a stretch: a part for each encoder with something to do, the digests of the
    pictures' contents, or why the worker can't work."""

    number: int
    pictures: int = 0
    made: tuple[Made, ...] = ()
    contents: tuple[int | None, ...] = ()
    refused: UserError | None = None


@dataclass
class _Rows:
    """What gathers for one encoder while a stretch is encoded."""

    pictures: list[Picture] = field(default_factory=list)
    contents: list[int | None] = field(default_factory=list)
    skipped: list[str | None] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)

    def rows(self, dim: int) -> Rows:
        return Rows(
            [picture.id for picture in self.pictures],
            [picture.key for picture in self.pictures],
            self.contents,
            self.skipped,
            np.concatenate([np.zeros((0, dim), np.float32), *self.vectors]),
        )


class Worker:
    """An actor. What stands in its way is told with its first reply: an actor that can't be made is
    tried again for ever."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._pool = ThreadPoolExecutor(task.threads)
        self._refused: UserError | None = None
        try:
            self._begin()
        except UserError as error:
            self._refused = error

    def _begin(self) -> None:
        for encoder, causes in zip(self.task.encoders, self.task.causes, strict=True):
            encoder.load()
            if store.fingerprint(encoder.fingerprint()) != causes:
                raise UserError(
                    f"{encoder.name} on {platform.node()} is not the one of the machine that the"
                    " build was started on: its weights or its code differ.",
                    fix="Give every machine the same version and the same weights.",
                )
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self.task.threads)
        if self.task.probe is not None:
            self._see(self.task.probe)

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
        gathered = [_Rows() for _ in self.task.encoders]
        contents: list[int | None] = []
        for pictures, prepared in self._prepared(stretch.batches):
            contents += [one.content for one in prepared]
            for position, rows in enumerate(gathered):
                self._take(position, rows, pictures, prepared)
        made = [
            self._make(position, rows) for position, rows in enumerate(gathered) if rows.pictures
        ]
        return Reply(stretch.number, len(contents), tuple(made), tuple(contents))

    def _prepared(
        self, batches: Sequence[Sequence[Picture]]
    ) -> Iterator[tuple[Sequence[Picture], list[Prepared]]]:
        """Batches, prepared by threads while the one before is encoded."""
        following: list[Future] = []
        for at in range(len(batches)):
            waiting = following or self._submitted(batches[at])
            following = self._submitted(batches[at + 1]) if at + 1 < len(batches) else []
            yield batches[at], [one.result() for one in waiting]

    def _submitted(self, batch: Sequence[Picture]) -> list[Future]:
        return [
            self._pool.submit(
                prepare_one, self.task.sources[one.source], one.item, self.task.encoders
            )
            for one in batch
        ]

    def _take(
        self, position: int, rows: _Rows, pictures: Sequence[Picture], prepared: Sequence[Prepared]
    ) -> None:
        """Encode what is this encoder's of a batch."""
        encoder, arrays = self.task.encoders[position], []
        for picture, one in zip(pictures, prepared, strict=True):
            if position not in picture.wanted:
                continue
            array = one.array(position)
            rows.pictures.append(picture)
            rows.contents.append(one.content)
            rows.skipped.append(one.outcomes[position] if array is None else None)  # type: ignore[arg-type]
            if array is not None:
                arrays.append(array)
        if arrays:
            rows.vectors.append(encoder.encode_stored(arrays))

    def _make(self, position: int, gathered: _Rows) -> Made:
        encoder, home = self.task.encoders[position], self.task.homes[position]
        rows = gathered.rows(encoder.stored_dim)
        about = {"encoder": encoder.name, "encoder_key": self.task.causes[position]}
        name, data = file_name(rows.keys), packed(rows, about)
        if home is not None:
            home.write(name, data)
            data = b""
        return Made(position, name, data, rows.kept, rows.reasons)
