"""Arguments in, exit code out."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from core import store
from core.cli import (
    approximation,
    building,
    detecting,
    diagnosis,
    downloading,
    evaluating,
    explaining,
    importing,
    listing,
    mapping,
    reporting,
    searching,
    studying,
    training,
    tuning,
)
from core.cli.options import Parser, add_commands
from core.cli.output import Unwritable, aside, streams
from core.errors import Cancelled, UserError
from core.services import turns

EPILOG = """\
examples:
  python -m core encoders
  python -m core build --dataset catalogue --encoders hsv.12x4x4,hog.8x8
  python -m core build --dataset ~/Pictures --encoders tiny.16x16
  python -m core search --dataset catalogue --encoder hog.8x8 --query photo.jpg -k 5
  python -m core compare --dataset catalogue --encoders hsv.12x4x4,hog.8x8 --query id:backpack-00-0 --json
  python -m core explain --dataset catalogue --encoder hog.8x8 --query photo.jpg --hit mug-15-1
  python -m core detect --image photo.jpg --json
  python -m core evaluate --datasets catalogue --encoders ready

exit codes:
  0 done   1 it could not be done, and the message says why   2 the arguments are wrong   130 stopped
"""  # noqa: E501


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = Parser(
        prog="python -m core",
        description="Image similarity search, side by side: many encoders, one query.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        listing,
        downloading,
        building,
        searching,
        explaining,
        detecting,
        importing,
        evaluating,
        reporting,
        studying,
        mapping,
        tuning,
        approximation,
        training,
        diagnosis,
    ):
        add_commands(commands, module)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with streams():
            logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
            return _run(arguments)
    except Unwritable as error:
        if isinstance(error.__cause__, BrokenPipeError):  # the reader has left, as head does
            return 0
        aside(f"The output can't be written: {error}.")
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parser().parse_args(arguments)
        if log := getattr(options, "log", None):
            turns.wait(Path(log))
        options.do(options)
        return 0
    except SystemExit as left:  # the help, or arguments that are wrong
        return int(left.code or 0)
    except UserError as error:
        aside(f"\n{error}" if sys.stderr.isatty() else str(error))
        return 1
    except (KeyboardInterrupt, Cancelled):
        aside("\nStopped. What was finished is kept; the same command continues from there.")
        return 130
    except Unwritable:
        raise
    except Exception as error:
        if told := store.refusal(error):
            aside(told)
            return 1
        if os.environ.get("LOOKALIKE_DEBUG"):
            raise
        aside(f"Unexpected error: {type(error).__name__}: {error}")
        aside("Set LOOKALIKE_DEBUG=1 to see where it happened, and please report it.")
        return 1


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
