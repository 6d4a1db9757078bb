"""Whatever goes wrong becomes a message on the page and a traceback in the server's log."""

import logging
from collections.abc import Callable
from typing import TypeVar

from core import store
from core.errors import UserError
from core.services.hosting import logs, ownership
from core.services.library import uploads
from core.services.search import admission
from pages.parts import heard, press, url_state
from pages.parts.words import telling, trouble


def hosted() -> bool:
    """Whether a stranger looks at this page: no paths of the server, and of what the operator
    provides nothing can be changed. ``LOOKALIKE_HOSTED=1`` says so; the operator's token ends
    it."""
    return ownership.is_visitor()


def expiry() -> str:
    """A sentence, after a space, for a stranger who looks for something that is no longer here."""
    return f" What you bring is kept for {uploads.kept_for()}." if hosted() else ""


log = logging.getLogger(__name__)
T = TypeVar("T")


def guarded(call: Callable[[], T], what: str) -> T:
    """``call()``; an error that nobody foresaw (a bug, an encoder file of the user's) becomes a
    UserError that names it.

    Streamlit's own stops and reruns are no errors and pass through.
    """
    try:
        return call()
    except UserError:
        raise
    except Exception as error:
        number = logs.request()  # before it is logged, so that the log can be searched for it
        log.exception("%s failed", what)
        if told := store.refusal(error):
            raise told from error
        if hosted():
            raise UserError(f"{what} failed.", fix=f"Tell the operator: {number}.") from error
        raise UserError(
            f"{what} failed: {type(error).__name__}: {str(error)[:200] or 'no reason given'}.",
            fix="The server's log has the details.",
        ) from error


def drawn(call: Callable[[], object], what: str) -> None:
    """A part of a page; what goes wrong is said where it would have stood."""
    with telling():
        guarded(call, what)


def public(words: str) -> str:
    """``words`` as visitors may read them: a public server keeps its places to itself."""
    return ownership.public(words)


def unforeseen(error: Exception) -> bool:
    """What a page, a fragment or a callback left uncaught outside of :func:`run`, as values do that
    no browser sends for a control: a sentence of ours in place of Streamlit's.

    Returns True: the error has been told.
    """
    number = logs.request()
    log.error("%s: %s", type(error).__name__, error)
    with ownership.settled():
        told = store.refusal(error)
        fix = f"Tell the operator: {number}." if hosted() else "The server's log has the details."
        trouble(told or UserError("This could not be done.", "Load the page again.", fix))
    return True


def run(page: Callable[[], None], name: str) -> None:
    """Draw a page; what can't be drawn is said where it would have stood."""
    with telling(), ownership.settled(), admission.line().within():
        press.settle(name)
        heard.begin()
        url_state.settle(name)
        guarded(page, f"The page {name}")
    press.forget()
    heard.end()
