"""The two ways work ends early: a person gave something that can't be used, or a person said stop."""

from __future__ import annotations


class UserError(Exception):
    """A message for the person who typed, uploaded or pointed at something.

    Args:
        given: what was given and what is wrong with it, as a full sentence.
        allowed: what is allowed (generated from the table that knows it, never typed twice).
        fix: what to do now.
    """

    def __init__(self, given: str, allowed: str = "", fix: str = "") -> None:
        self.given, self.allowed, self.fix = given, allowed, fix
        super().__init__(" ".join(part for part in (given, allowed, fix) if part))

    def __reduce__(self) -> tuple:
        return type(self), (self.given, self.allowed, self.fix)


class Cancelled(Exception):
    """Raised inside long work when its ``progress`` callback returned False."""
