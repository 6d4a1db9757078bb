"""Whether a stranger looks at these pages, and what they are told of the end of their things."""

from core.services.hosting import ownership
from core.services.library import uploads


def hosted() -> bool:
    """Whether a stranger looks at this page: no paths of the server, and of what the operator
    provides nothing can be changed. ``LOOKALIKE_HOSTED=1`` says so; the operator's token ends
    it."""
    return ownership.is_visitor()


def expiry() -> str:
    """A sentence, after a space, for a stranger who looks for something that is no longer here."""
    return f" What you bring is kept for {uploads.kept_for()}." if hosted() else ""
