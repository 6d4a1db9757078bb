"""How work ends early: a person gave something that can't be used, or a person said stop."""

from collections.abc import Callable

_tellers: list[Callable[[str], str]] = []


def tell_by(teller: Callable[[str], str]) -> None:
    """Let ``teller`` say each message for whoever asks: strangers learn no places."""
    if teller not in _tellers:
        _tellers.append(teller)


def _told(words: str) -> str:
    for teller in _tellers:
        words = teller(words)
    return words


class UserError(Exception):
    """A message for the person who typed, uploaded or pointed at something.

    Args:
        given: what was given and what is wrong with it, as a full sentence.
        allowed: what is allowed (generated from the table that knows it, never typed twice).
        fix: what to do now, in words that hold on a page too: no command to type.
        command: what the command line says in place of ``fix``, where it can name an option.
    """

    def __init__(self, given: str, allowed: str = "", fix: str = "", command: str = "") -> None:
        self.given, self.allowed, self.fix = _told(given), _told(allowed), _told(fix)
        self.command = command
        parts = (self.given, self.allowed, command or self.fix)
        super().__init__(" ".join(part for part in parts if part))

    def __reduce__(self) -> tuple:
        return type(self), (self.given, self.allowed, self.fix, self.command)

    @property
    def plain(self) -> str:
        """The whole message as a page says it; ``str`` is the command line's."""
        return " ".join(part for part in (self.given, self.allowed, self.fix) if part)


class Cancelled(Exception):
    """Raised inside long work when its ``progress`` callback returned False."""
