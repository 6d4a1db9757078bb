"""Options behind a colon that change the vector: ``resnet50.tv_in1k:pool=gem,size=288``."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from core.errors import UserError

LAST = "pca"
"""Acts on the finished vectors, so it stands behind all others."""


def split(name: str) -> tuple[str, dict[str, str]]:
    """``base:key=value,...`` -> base, {key: value}.

    Raises:
        UserError: an option is not of the form ``key=value`` or is given twice.
    """
    base, colon, rest = name.partition(":")
    options: dict[str, str] = {}
    for part in rest.split(",") if colon else []:
        key, _, value = (text.strip() for text in part.partition("="))
        if not key or not value:
            raise UserError(
                f"{part!r} in {name!r} is not an option.",
                "Options are key=value, with commas between.",
            )
        if key in options:
            raise UserError(f"The option {key} stands twice in {name!r}.", fix="Give it once.")
        options[key] = value
    return base.strip(), options


def join(base: str, options: dict[str, str]) -> str:
    """The one spelling of a name with options, whatever order they were typed in."""
    keys = sorted(options, key=lambda key: (key == LAST, key))
    return base + (":" + ",".join(f"{key}={options[key]}" for key in keys) if keys else "")


def refuse_unknown(name: str, options: dict[str, str], allowed: Iterable[str]) -> None:
    """Raise a UserError for an option that is not in ``allowed``."""
    for key in options:
        if key not in allowed:
            raise UserError(f"{name} has no option {key!r}.", f"It has: {', '.join(allowed)}.")


def choice(name: str, key: str, value: str, allowed: Iterable[str]) -> str:
    """``value``, if it is one of ``allowed``."""
    if value not in allowed:
        raise UserError(
            f"{key}={value} can't be used with {name}.", f"{key} is one of: {', '.join(allowed)}."
        )
    return value


def whole(name: str, key: str, value: str, low: int, high: int) -> int:
    """``value`` as a whole number from ``low`` to ``high``."""
    if not (value.isascii() and value.isdigit() and low <= int(value[:9]) <= high):
        raise UserError(
            f"{key}={value} can't be used with {name}.",
            f"{key} is a whole number from {low} to {high}.",
        )
    return int(value)


def number(name: str, value: Any, like: int | float, low: float, high: float) -> int | float:
    """``value`` as a number of the kind of ``like``. Raises UserError: none, or out of range."""
    whole = isinstance(like, int)
    right = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not right or not low <= value <= high or (whole and int(value) != value):
        kind = "a whole number" if whole else "a number"
        raise UserError(f"{name} = {value!r} was given.", f"It is {kind} from {low:g} to {high:g}.")
    return int(value) if whole else float(value)
