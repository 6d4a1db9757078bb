"""One progress for work of several phases."""

from core.types import Progress


class Steps:
    """Several phases as one progress: each counts from nothing to its end, and they follow one
    another."""

    def __init__(self, progress: Progress | None, parts: int = 4) -> None:
        self.progress, self.parts, self.at, self.share = progress, parts, 0, 0.0

    def __call__(self, done: int, total: int) -> bool:
        share = done / total if total else 1.0
        if share < self.share:
            self.at = min(self.at + 1, self.parts - 1)
        self.share = share
        whole = round(1000 * (self.at + share) / self.parts)
        return self.progress is None or self.progress(min(whole, 1000), 1000)
