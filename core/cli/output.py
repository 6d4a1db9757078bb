"""Printing: tables for people, JSON for programs, progress on standard error.

What can't be printed is never a reason to fail: characters that the terminal does not know are
written as escapes, and a standard error that nobody reads any more does not stop the work.
"""

import argparse
import json
import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from core.errors import Cancelled, UserError
from core.services import jobs
from core.services.library import passed_over
from core.types import Step


def emit(value: object) -> None:
    """JSON on standard output."""
    json.dump(value, sys.stdout, default=_plain, ensure_ascii=True, indent=1, allow_nan=False)
    print()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        return (value.astype(int) if value.dtype == bool else value).tolist()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def table(rows: Sequence[dict], columns: Sequence[str] = ()) -> None:
    """Aligned columns (none named: those of the first row) with a heading; control characters of
    names are shown, not obeyed."""
    columns = columns or [name for row in rows[:1] for name in row]
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    lines = [list(columns), *cells]
    widths = [max(cells_wide(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        print("  ".join(map(_filled, line, widths)).rstrip())


def show(options: argparse.Namespace, rows: Sequence[dict], columns: Sequence[str] = ()) -> None:
    """Rows as JSON where that was asked for, else as a table."""
    return emit(rows) if options.json else table(rows, columns)


def held(rows: Sequence[dict], *columns: str) -> list[str]:
    """Of these columns those in which some row has something."""
    return [column for column in columns if any(row[column] for row in rows)]


def listed(title: str, rows: Sequence[dict], what: str) -> None:
    """Rows of ``what`` and ``reason`` below their number, and how often each reason is given where
    there are several."""
    if not rows:
        return
    print(f"\n{title} ({len(rows):,}):")
    counts = passed_over.reasons(rows)
    if 1 < len(counts) < len(rows):
        table([{"count": count, "reason": reason} for reason, count in counts])
        print()
    table(rows, [what, "reason"])


def _cell(value: object) -> str:
    return printable(
        f"{value:.4g}" if isinstance(value, float) else str("" if value is None else value)
    )


@contextmanager
def writing(name: str) -> Iterator[None]:
    """A block that writes the file that somebody named. Raises UserError where that can't be."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{name} can't be written ({error.strerror}).", fix="Choose another file name."
        ) from error


def say(text: str) -> None:
    """A line on standard output that may hold names from anywhere."""
    print(printable(text))


def aside(text: object) -> None:
    """A line on standard error: what is no part of the answer."""
    print(text, file=sys.stderr)


def printable(text: str) -> str:
    """One line; characters that move the cursor or turn the text around as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cells_wide(text: str) -> int:
    """How many cells of a terminal a line takes: two for an East Asian wide character or an emoji,
    none for a mark on another."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _filled(text: str, width: int) -> str:
    return text + " " * (width - cells_wide(text))


def _cut(text: str, width: int) -> str:
    """As much of a line as fits into ``width`` cells."""
    while cells_wide(text) > width:
        text = text[:-1]
    return text


class Unwritable(Exception):
    """Standard output can't be written; its cause says why."""


class _Stream:
    """Standard output or standard error, for every character and for a reader that leaves."""

    def __init__(self, stream: TextIO, needed: bool) -> None:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        self._stream, self._needed = stream, needed

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._tried(self._stream.write, text) or 0

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, call: Callable[..., int | None], *given: str) -> int | None:
        try:
            return call(*given)
        except OSError as error:
            self._abandon()
            if self._needed:
                raise Unwritable(error.strerror or str(error)) from error
            return None

    def _abandon(self) -> None:
        """Send what is left and all that follows nowhere: it would fail again at the end."""
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def streams() -> Iterator[None]:
    """Standard streams as they are needed: they take every character, whatever the terminal knows,
    are there even where the caller closed them, and an error stream that nobody reads any more does
    not stop the work.

    Raises:
        Unwritable: standard output can't be written.
    """
    with ExitStack() as stack:
        for name, redirect in (("stdout", redirect_stdout), ("stderr", redirect_stderr)):
            stream = getattr(sys, name)
            if stream is None:
                stream = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect(_Stream(stream, name == "stdout")))
        yield
        sys.stdout.flush()


class Progress:
    """``progress(done, total)`` on standard error, with rate and time left; and into a job's log
    where one is asked for."""

    def __init__(self, what: str, log: str | None = None) -> None:
        self.what, self.log = printable(what), Path(log) if log else None
        self.started: float | None = None
        self.first, self.done, self.total, self.printed = 0, 0, 0, 0.0
        self.told = self.what
        self.now = ""
        """The step at work, as core.types.doing names it."""
        self.left: float | None = None
        """Seconds left of all steps, and the share of them that passed, where somebody knows."""
        self.share: float | None = None
        self.step: float | None = None
        """Of these seconds those of the step at work; for how long it has counted nothing yet."""
        self.silent: float | None = None

    def doing(self, step: str) -> "Progress":
        """A step begins."""
        self.now = step
        return self

    def __call__(self, done: int, total: int) -> bool:
        now = time.monotonic()
        if self.started is None or total != self.total or done < self.done:
            self.started, self.first, self.total = now, done, total
        self.done = done
        over = done >= total if total else not done  # bytes may come of which none knows how many
        if now - self.printed >= 0.25 or over or self.what != self.told:
            self.printed, self.told = now, self.what
            self._show(done, total, now - self.started)
        return True

    def end(self, state: str, message: str) -> None:
        """The last line of a job's log."""
        if self.log:
            jobs.write_line(
                self.log, state=state, message=message, done=self.done, total=self.total
            )
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def fail(self, error: Exception) -> None:
        """The last line of a job's log after an error. Pages read it: it names no commands."""
        self.end(
            "failed",
            error.plain if isinstance(error, UserError) else f"{type(error).__name__}: {error}",
        )

    @contextmanager
    def ending(self) -> Iterator[None]:
        """A block whose stop or failure becomes the last line of a job's log."""
        try:
            yield
        except (KeyboardInterrupt, Cancelled):
            self.end("cancelled", "What was finished is kept.")
            raise
        except Exception as error:
            self.fail(error)
            raise

    def _show(self, done: int, total: int, seconds: float) -> None:
        if self.log:
            known: dict[str, Any] = {} if self.left is None else self._known()
            if self.now == Step.FETCH:
                known["bytes"] = True
            jobs.write_line(
                self.log, state="running", done=done, total=total, message=self.what, **known
            )
        text = f"{self.what}: {done} of {total}{self._ahead(done, total, seconds)}"
        if not total:
            waits = (
                "" if self.what[:1].isupper() else ": nothing to do, or waiting for another build"
            )
            text = f"{self.what}{waits}"
        text = printable(text)
        if sys.stderr.isatty():
            room = max(shutil.get_terminal_size().columns, 20) - 1
            print(f"\r{_filled(_cut(text, room), room)}", end="", file=sys.stderr, flush=True)
        elif total and done >= total:
            aside(text)

    def _known(self) -> dict[str, float | None]:
        told = {"left": self.left, "share": self.share, "step": self.step, "silent": self.silent}
        return {name: value and round(value, 4) for name, value in told.items()}

    def _ahead(self, done: int, total: int, seconds: float) -> str:
        """``, 12/s, 8 s left``, as far as it is known."""
        rate = (done - self.first) / seconds if seconds > 0.5 else 0.0
        if done >= total or not (rate or self.left):
            return ""
        left = (total - done) / rate if self.left is None else self.left
        return (f", {rate:.0f}/s" if rate >= 1 else "") + f", {left:.0f} s left"
