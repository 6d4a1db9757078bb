"""Home: one example already answered, what is in the gallery, doors to the pages."""

from __future__ import annotations

from core.errors import UserError
from pages.parts import home
from pages.parts.shell import shell
from pages.parts.words import trouble

shell("Home", "Which encoder finds what you mean? One picture, many encoders, side by side.", title="Lookalike")
try:
    home.example()
    home.gallery()
    home.doors()
except UserError as error:
    trouble(error)
