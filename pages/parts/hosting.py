"""Whether strangers look at these pages."""

from __future__ import annotations

import os


def hosted() -> bool:
    """Whether this is a public demo: no server paths, no deletion. ``LOOKALIKE_HOSTED=1`` says
    so."""
    return os.environ.get("LOOKALIKE_HOSTED", "") not in ("", "0")
