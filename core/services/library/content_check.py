"""Whether pictures still hold what was encoded.

A build goes by size and time of a file. A file that was changed and given both back keeps its old
vector, until a check reads every picture again: one whose content is another gets a mark behind its
stamp, and with it everything that follows from it is
built again.
"""

from dataclasses import dataclass

from core import store
from core.datasets.base import Dataset, keep_marks, marks_of, plain, restamped
from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.contents import digest, known, short, write
from core.services.library import library
from core.types import Progress, report


@dataclass(frozen=True, slots=True)
class Checked:
    """Pictures read, of these ``changed`` since they were encoded (ids), and how many had been
    encoded without a note of their content (they are encoded again once, since nobody can tell) or
    can't be read."""

    read: int
    changed: tuple[str, ...]
    unknown: int
    unreadable: int

    @property
    def words(self) -> str:
        """``2,720 pictures read, 3 changed since they were encoded``."""
        told = [
            f"{self.read:,} pictures read, {len(self.changed):,} changed since they were encoded"
        ]
        if self.unknown:
            told.append(
                f"of {self.unknown:,} it was never noted what they held: they are encoded again"
            )
        if self.unreadable:
            told.append(f"{self.unreadable:,} can't be read")
        return "; ".join(told)


def checked(dataset: Dataset, progress: Progress | None = None) -> tuple[Dataset, Checked]:
    """:func:`check`, and the data set as it is known then."""
    made = check(dataset, progress)
    return library.open_dataset(dataset.locator, fresh=True), made


def check(dataset: Dataset, progress: Progress | None = None) -> Checked:
    """Read every picture and mark those whose content is not what was encoded; open the data set
    again to see it.

    Sources whose stamps say the content (archives) have nothing to check. ``progress`` counts
    pictures.

    Raises:
        Cancelled: ``progress`` said stop; nothing is marked then.
        UserError: the artifacts folder can't be written.
    """
    parts = [part for part in dataset.members or (dataset,) if not part.stamps_tell_content]
    total, done, made = sum(len(part.items) for part in parts), 0, []
    for part in parts:
        made.append(
            _check(
                part,
                lambda count, _, before=done: progress is None or progress(before + count, total),
            )
        )
        done += len(part.items)
    return Checked(
        sum(one.read for one in made),
        tuple(id for one in made for id in one.changed),
        sum(one.unknown for one in made),
        sum(one.unreadable for one in made),
    )


def _check(dataset: Dataset, progress: Progress) -> Checked:
    before, encoded = known(dataset.locator), _is_encoded(dataset)
    marks, found, unknown, unreadable = marks_of(dataset.locator), {}, 0, 0
    changed: list[str] = []
    for done, item in enumerate(dataset.items):
        report(progress, done, len(dataset.items))
        try:
            found[item.id] = digest(dataset.read(item))
        except UserError:
            unreadable += 1
            continue
        held = before.get(short(item))
        if held == found[item.id] or (held is None and not encoded):
            continue
        unknown, changed = (
            (unknown + 1, changed) if held is None else (unknown, [*changed, item.id])
        )
        marks[item.id] = (plain(item), f"{found[item.id]:016x}")
    report(progress, len(dataset.items), len(dataset.items))
    _keep(dataset, found, marks)
    return Checked(len(found), tuple(changed), unknown, unreadable)


def _is_encoded(dataset: Dataset) -> bool:
    """Whether some encoder has been over this source, whatever it held then."""
    metas = (store.read_meta(path) or {} for path in store.folders(stored.KIND))
    return any(meta.get("source") == dataset.locator for meta in metas)


def _keep(dataset: Dataset, found: dict[str, int], marks: dict[str, tuple[str, str]]) -> None:
    """Marks first: what is lost then is only a note, and costs encoding once more."""
    here = {item.id: plain(item) for item in dataset.items}
    marks = {id: (stamp, mark) for id, (stamp, mark) in marks.items() if here.get(id) == stamp}
    if marks != marks_of(dataset.locator):
        keep_marks(dataset.locator, marks)
    items = [restamped(item, marks) for item in dataset.items if item.id in found]
    write(dataset.locator, items, {short(item): found[item.id] for item in items})
