"""Whether a stranger looks at these pages."""

from core.services.hosting import ownership


def hosted() -> bool:
    """Whether a stranger looks at this page: no paths of the server, and of what the operator
    provides nothing can be changed. ``LOOKALIKE_HOSTED=1`` says so; the operator's token ends
    it."""
    return ownership.is_visitor()
