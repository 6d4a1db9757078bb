"""What is asked with beside the query on Compare, as an answer depends on it."""

from dataclasses import dataclass

from core.services.search.request import Weights

PLUS, MINUS = "plus", "minus"
FIRST_SHARE, FIRST_LESS = 100, Weights().minus
Examples = tuple[tuple[str, str], ...]
"""``(plus or minus, item:<id> or up:<token>)``, in the order in which they were given."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Pictures to be near to and far from, words, and which end of the list is wanted. ``share`` is
    how much of the asking is done by ``text`` and not by the query's picture, in percent; ``less``
    the weight of a minus."""

    examples: Examples = ()
    text: str = ""
    share: int = FIRST_SHARE
    less: float = FIRST_LESS
    least: bool = False
    threshold: float | None = None

    def of(self, sign: str) -> tuple[str, ...]:
        """The pictures with this sign."""
        return tuple(picture for one, picture in self.examples if one == sign)

    @property
    def words_alone(self) -> bool:
        """Whether the picture of the query does not count."""
        return bool(self.text) and self.share == 100

    @property
    def weights(self) -> Weights:
        """What each part weighs; the picture of the query and the words share a weight of 1."""
        if not self.text:
            return Weights(minus=self.less)
        share = self.share / 100
        return Weights(query=1 - share, minus=self.less, text=share)


ALONE = Beside()
"""The query, and nothing else."""
