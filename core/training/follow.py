"""Watching a run's log while it grows: only what is new is read, however long the curve has
become."""

import os
import threading

from core.training.runs import Run, parsed


class Follower:
    """All whole lines of a run's log. A log that was written anew (a resumed run takes back what it
    repeats) is read again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._lines: list[dict] = []
        self._file, self._offset = 0, 0

    def lines(self) -> list[dict]:
        """The lines so far; read them, never change them."""
        with self._lock:
            try:
                with open(self.run.log, "rb") as file:
                    self._read(file)
            except OSError:
                return []
            return list(self._lines)

    def _read(self, file) -> None:
        told = os.fstat(file.fileno())
        if told.st_ino != self._file or told.st_size < self._offset:
            self._file, self._offset, self._lines = told.st_ino, 0, []
        file.seek(self._offset)
        whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        self._lines += [line for line in map(parsed, whole.splitlines()) if line]
